// SPDX-License-Identifier: Apache-2.0
// Every register block of the card, with its names as the specifications order and spell them. Numbers stand in
// assembly/abi alone; describeBlock() refuses a name that does not fit its row.

import * as status from '../../assembly/abi/device_status.ts';
import * as ari from '../../assembly/abi/pci_ari.ts';
import * as express from '../../assembly/abi/pci_express.ts';
import * as header from '../../assembly/abi/pci_header.ts';
import * as msix from '../../assembly/abi/pci_msix.ts';
import * as pm from '../../assembly/abi/pci_pm.ts';
import * as sriov from '../../assembly/abi/pci_sriov.ts';
import * as admin from '../../assembly/abi/virtio_admin.ts';
import * as net from '../../assembly/abi/virtio_net.ts';
import * as cap from '../../assembly/abi/virtio_pci_cap.ts';
import * as common from '../../assembly/abi/virtio_pci_common.ts';
import * as legacy from '../../assembly/abi/virtio_pci_legacy.ts';
import * as ring from '../../assembly/abi/virtio_ring.ts';
import { describeBlock, type BlockSource, type RegisterBlock } from './describe.ts';

const HEADER_NAMES = `vendor_id device_id command status revision_id class_prog class_device
  cache_line_size latency_timer header_type bist
  base_address_0 base_address_1 base_address_2 base_address_3 base_address_4 base_address_5
  cardbus_cis subsystem_vendor_id subsystem_id rom_address capability_list reserved_35 reserved_36 reserved_38
  interrupt_line interrupt_pin min_gnt max_lat`;

const HEADER_BITS = { command: 'PCI_COMMAND_', status: 'PCI_STATUS_', header_type: 'PCI_HEADER_TYPE_' };

const EXPRESS_NAMES = `cap_id next flags devcap devctl devsta lnkcap lnkctl lnksta
  sltcap sltctl sltsta rtctl rtcap rtsta
  devcap2 devctl2 devsta2 lnkcap2 lnkctl2 lnksta2 sltcap2 sltctl2 sltsta2`;

const EXPRESS_BITS = {
  flags: 'PCI_EXP_FLAGS_',
  devcap: 'PCI_EXP_DEVCAP_',
  devctl: 'PCI_EXP_DEVCTL_',
  devsta: 'PCI_EXP_DEVSTA_',
  lnkcap: 'PCI_EXP_LNKCAP_',
  lnkctl: 'PCI_EXP_LNKCTL_',
  lnksta: 'PCI_EXP_LNKSTA_',
  devcap2: 'PCI_EXP_DEVCAP2_',
  devctl2: 'PCI_EXP_DEVCTL2_',
  lnkcap2: 'PCI_EXP_LNKCAP2_',
  lnkctl2: 'PCI_EXP_LNKCTL2_',
  lnksta2: 'PCI_EXP_LNKSTA2_',
};

const CAP_NAMES = 'vndr next len cfg_type bar id padding offset length';

const SOURCES: readonly BlockSource[] = [
  {
    name: 'pci_header',
    title: 'Configuration header of the physical function',
    section: 'PCI Express Base §7.5.1',
    abi: header,
    rows: header.PCI_HEADER,
    prefix: 'PCI_',
    registers: HEADER_NAMES,
    bits: HEADER_BITS,
  },
  {
    name: 'pci_vf_header',
    title: 'Configuration header of a virtual function',
    section: 'PCI Express Base §9.3.4.1',
    abi: header,
    rows: header.PCI_VF_HEADER,
    prefix: 'PCI_',
    registers: HEADER_NAMES,
    bits: HEADER_BITS,
  },
  {
    name: 'pci_pm',
    title: 'Power management capability',
    section: 'PCI Express Base §7.5.2',
    abi: pm,
    rows: pm.PCI_PM_CAP,
    prefix: 'PCI_PM_',
    registers: 'cap_id next pmc ctrl ppb_extensions data_register',
    bits: { pmc: 'PCI_PM_PMC_', ctrl: 'PCI_PM_CTRL_' },
  },
  {
    name: 'pci_express',
    title: 'PCI Express capability of the physical function',
    section: 'PCI Express Base §7.5.3',
    abi: express,
    rows: express.PCI_EXP_CAP,
    prefix: 'PCI_EXP_',
    registers: EXPRESS_NAMES,
    bits: EXPRESS_BITS,
  },
  {
    name: 'pci_vf_express',
    title: 'PCI Express capability of a virtual function',
    section: 'PCI Express Base §9.3.5',
    abi: express,
    rows: express.PCI_EXP_VF_CAP,
    prefix: 'PCI_EXP_',
    registers: EXPRESS_NAMES,
    bits: EXPRESS_BITS,
  },
  {
    name: 'pci_msix',
    title: 'MSI-X capability',
    section: 'PCI Express Base §7.7.2',
    abi: msix,
    rows: msix.PCI_MSIX_CAP,
    prefix: 'PCI_MSIX_',
    registers: 'cap_id next flags table pba',
    bits: { flags: 'PCI_MSIX_FLAGS_', table: 'PCI_MSIX_TABLE_', pba: 'PCI_MSIX_PBA_' },
  },
  {
    name: 'pci_msix_entry',
    title: 'MSI-X table entry',
    section: 'PCI Express Base §7.7.2',
    abi: msix,
    rows: msix.PCI_MSIX_ENTRY,
    prefix: 'PCI_MSIX_ENTRY_',
    registers: 'lower_addr upper_addr data vector_ctrl',
    bits: { vector_ctrl: 'PCI_MSIX_ENTRY_CTRL_' },
  },
  {
    name: 'pci_sriov',
    title: 'SR-IOV extended capability',
    section: 'PCI Express Base §9.3.3',
    abi: sriov,
    rows: sriov.PCI_SRIOV,
    prefix: 'PCI_SRIOV_',
    registers: `header cap ctrl status initial_vf total_vf num_vf func_link reserved_13 vf_offset vf_stride reserved_18 vf_did
      sup_pgsize sys_pgsize bar bar_1 bar_2 bar_3 bar_4 bar_5 vfm`,
    bits: { cap: 'PCI_SRIOV_CAP_', ctrl: 'PCI_SRIOV_CTRL_', status: 'PCI_SRIOV_STATUS_' },
  },
  {
    name: 'pci_ari',
    title: 'Alternative routing-id interpretation extended capability',
    section: 'PCI Express Base §7.8.8',
    abi: ari,
    rows: ari.PCI_ARI,
    prefix: 'PCI_ARI_',
    registers: 'header cap ctrl',
    bits: { cap: 'PCI_ARI_CAP_', ctrl: 'PCI_ARI_CTRL_' },
  },
  {
    name: 'virtio_pci_cap',
    title: 'Virtio structure capability: common, ISR and device configuration',
    section: 'virtio 1.4 §4.1.4',
    abi: cap,
    rows: cap.VIRTIO_CAP,
    prefix: 'VIRTIO_PCI_CAP_',
    registers: CAP_NAMES,
  },
  {
    name: 'virtio_pci_cap64',
    title: 'Virtio structure capability with 64-bit offset and length',
    section: 'virtio 1.4 §4.1.4',
    abi: cap,
    rows: cap.VIRTIO_CAP64,
    prefix: 'VIRTIO_PCI_CAP_',
    registers: `${CAP_NAMES} offset_hi length_hi`,
  },
  {
    name: 'virtio_pci_notify_cap',
    title: 'Notification capability',
    section: 'virtio 1.4 §4.1.4.4',
    abi: cap,
    rows: cap.VIRTIO_NOTIFY_CAP,
    prefix: 'VIRTIO_PCI_CAP_',
    registers: `${CAP_NAMES} notify_off_multiplier`,
  },
  {
    name: 'virtio_pci_cfg_cap',
    title: 'PCI configuration access capability',
    section: 'virtio 1.4 §4.1.4.9',
    abi: cap,
    rows: cap.VIRTIO_CFG_CAP,
    prefix: 'VIRTIO_PCI_CAP_',
    registers: `${CAP_NAMES} pci_cfg_data`,
  },
  {
    name: 'virtio_pci_common_cfg',
    title: 'Common configuration',
    section: 'virtio 1.4 §4.1.4.3',
    abi: { ...common, ...status },
    rows: common.COMMON_CFG,
    prefix: 'COMMON_',
    registers: `device_feature_select device_feature driver_feature_select driver_feature
      config_msix_vector num_queues device_status config_generation
      queue_select queue_size queue_msix_vector queue_enable queue_notify_off
      queue_desc queue_desc_hi queue_driver queue_driver_hi queue_device queue_device_hi
      queue_notif_config_data queue_reset admin_queue_index admin_queue_num`,
    bits: { device_status: 'STATUS_' },
  },
  {
    name: 'virtio_pci_isr',
    title: 'ISR status',
    section: 'virtio 1.4 §4.1.4.5',
    abi: common,
    rows: common.ISR_CFG,
    prefix: 'ISR_',
    registers: 'status',
    bits: { status: 'ISR_STATUS_' },
  },
  {
    name: 'virtio_pci_legacy',
    title: 'Legacy registers',
    section: 'virtio 1.4 §4.1.4.10',
    abi: { ...legacy, ...status, ISR_QUEUE: common.ISR_STATUS_QUEUE, ISR_CONFIG: common.ISR_STATUS_CONFIG },
    rows: legacy.LEGACY_CFG,
    prefix: 'LEGACY_',
    registers: `device_features driver_features queue_address queue_size queue_select queue_notify
      device_status isr_status config_msix_vector queue_msix_vector`,
    bits: { device_status: 'STATUS_', isr_status: 'ISR_' },
  },
  {
    name: 'virtio_net_config',
    title: 'Network device configuration',
    section: 'virtio 1.4 §5.1.4',
    abi: net,
    rows: net.NET_CFG,
    prefix: 'VIRTIO_NET_CFG_',
    registers: `mac mac_hi status max_virtqueue_pairs mtu speed duplex
      rss_max_key_size rss_max_indirection_table_length supported_hash_types supported_tunnel_types`,
    bits: {
      status: 'VIRTIO_NET_S_',
      supported_hash_types: 'VIRTIO_NET_HASH_TYPE_',
      supported_tunnel_types: 'VIRTIO_NET_HASH_TUNNEL_TYPE_',
    },
  },
  {
    name: 'virtio_net_legacy_config',
    title: 'Network device configuration as a legacy driver sees it',
    section: 'virtio 1.4 §5.1.4',
    abi: net,
    rows: net.NET_LEGACY_CFG,
    prefix: 'VIRTIO_NET_CFG_',
    registers: 'mac mac_hi status max_virtqueue_pairs mtu',
    bits: { status: 'VIRTIO_NET_S_' },
  },
  {
    name: 'virtio_net_hdr',
    title: 'Packet header',
    section: 'virtio 1.4 §5.1.6',
    abi: net,
    rows: net.NET_HDR,
    prefix: 'VIRTIO_NET_HDR_',
    registers: 'flags gso_type hdr_len gso_size csum_start csum_offset num_buffers',
    bits: { flags: 'VIRTIO_NET_HDR_F_' },
  },
  {
    name: 'virtio_admin_cmd',
    title: 'Administration command, device-readable header',
    section: 'virtio 1.4 "Group administration commands"',
    abi: admin,
    rows: admin.ADMIN_CMD,
    prefix: 'ADMIN_CMD_',
    registers: 'opcode group_type reserved1 reserved1_8 reserved1_12 group_member_id group_member_id_hi',
  },
  {
    name: 'virtio_admin_result',
    title: 'Administration command, device-writable header',
    section: 'virtio 1.4 "Group administration commands"',
    abi: admin,
    rows: admin.ADMIN_RESULT,
    prefix: 'ADMIN_RESULT_',
    registers: 'status status_qualifier reserved2',
  },
  {
    name: 'virtio_admin_notify_info',
    title: 'Entry of the result of LEGACY_NOTIFY_INFO',
    section: 'virtio 1.4 "Group administration commands", legacy interface',
    abi: admin,
    rows: admin.ADMIN_NOTIFY_INFO,
    prefix: 'ADMIN_NOTIFY_INFO_',
    registers: 'flags bar padding padding_4 offset offset_hi',
  },
  {
    name: 'virtio_dev_part_hdr',
    title: 'Header of a device part',
    section: 'virtio 1.4 "Device parts"',
    abi: admin,
    rows: admin.DEV_PART_HDR,
    prefix: 'DEV_PART_HDR_',
    registers: 'part_type flags reserved selector selector_hi length',
    bits: { flags: 'DEV_PART_HDR_FLAGS_' },
  },
  {
    name: 'virtq_desc',
    title: 'Split virtqueue: descriptor',
    section: 'virtio 1.4 §2.7.5',
    abi: ring,
    rows: ring.VIRTQ_DESC,
    prefix: 'VIRTQ_DESC_',
    registers: 'addr addr_hi len flags next',
    bits: { flags: 'VIRTQ_DESC_F_' },
  },
  {
    name: 'virtq_avail',
    title: 'Split virtqueue: head of the available ring',
    section: 'virtio 1.4 §2.7.6',
    abi: ring,
    rows: ring.VIRTQ_AVAIL,
    prefix: 'VIRTQ_AVAIL_',
    registers: 'flags idx',
    bits: { flags: 'VIRTQ_AVAIL_F_' },
  },
  {
    name: 'virtq_used',
    title: 'Split virtqueue: head of the used ring',
    section: 'virtio 1.4 §2.7.8',
    abi: ring,
    rows: ring.VIRTQ_USED,
    prefix: 'VIRTQ_USED_',
    registers: 'flags idx',
    bits: { flags: 'VIRTQ_USED_F_' },
  },
  {
    name: 'virtq_used_elem',
    title: 'Split virtqueue: used element',
    section: 'virtio 1.4 §2.7.8',
    abi: ring,
    rows: ring.VIRTQ_USED_ELEM,
    prefix: 'VIRTQ_USED_ELEM_',
    registers: 'id len',
  },
  {
    name: 'pvirtq_desc',
    title: 'Packed virtqueue: descriptor',
    section: 'virtio 1.4 §2.8',
    abi: {
      ...ring,
      PACKED_DESC_F_NEXT: ring.VIRTQ_DESC_F_NEXT,
      PACKED_DESC_F_WRITE: ring.VIRTQ_DESC_F_WRITE,
      PACKED_DESC_F_INDIRECT: ring.VIRTQ_DESC_F_INDIRECT,
    },
    rows: ring.PACKED_DESC,
    prefix: 'PACKED_DESC_',
    registers: 'addr addr_hi len id flags',
    bits: { flags: 'PACKED_DESC_F_' },
  },
  {
    name: 'pvirtq_event_suppress',
    title: 'Packed virtqueue: event suppression',
    section: 'virtio 1.4 §2.8',
    abi: ring,
    rows: ring.PACKED_EVENT,
    prefix: 'PACKED_EVENT_',
    registers: 'off_wrap flags',
    bits: { off_wrap: 'PACKED_EVENT_OFF_WRAP_', flags: 'PACKED_EVENT_FLAGS_' },
  },
];

/** Every block of registers and structures, configuration space first, rings last. */
export const REGISTER_BLOCKS: readonly RegisterBlock[] = SOURCES.map(describeBlock);

const BY_NAME = new Map(REGISTER_BLOCKS.map((block) => [block.name, block]));

/** The block of that name, or undefined. */
export function findRegisterBlock(name: string): RegisterBlock | undefined {
  return BY_NAME.get(name);
}
