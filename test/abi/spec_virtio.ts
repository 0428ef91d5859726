// SPDX-License-Identifier: Apache-2.0
// virtio 1.4, typed a second time from the specification: feature bits (§5.1.3, §6), administration commands, PCI
// structures (§4.1.4), network structures (§5.1) and rings (§2.7, §2.8). No number here comes from assembly/abi.

import * as deviceStatus from '../../assembly/abi/device_status.ts';
import * as virtioAdmin from '../../assembly/abi/virtio_admin.ts';
import * as virtioFeatures from '../../assembly/abi/virtio_features.ts';
import * as virtioPciCap from '../../assembly/abi/virtio_pci_cap.ts';
import * as virtioPciCommon from '../../assembly/abi/virtio_pci_common.ts';
import * as virtioPciLegacy from '../../assembly/abi/virtio_pci_legacy.ts';
import * as virtioRing from '../../assembly/abi/virtio_ring.ts';
import type { SpecFile } from './spec_table.ts';

const CAP_START = `
  0 1 vndr RO 0x09
  1 1 next RO`;

export const SPEC_VIRTIO: readonly SpecFile[] = [
  {
    file: 'device_status.ts',
    abi: deviceStatus,
    blocks: [],
    numbers: [
      ['STATUS_', '1 ACKNOWLEDGE 2 DRIVER 4 DRIVER_OK 8 FEATURES_OK 16 SUSPEND 64 DEVICE_NEEDS_RESET 128 FAILED'],
      ['STATUS_', '223 DEFINED_BITS'],
    ],
  },
  {
    file: 'virtio_features.ts',
    abi: virtioFeatures,
    blocks: [],
    numbers: [
      [
        'VIRTIO_F_',
        `24 NOTIFY_ON_EMPTY 27 ANY_LAYOUT 28 INDIRECT_DESC 29 EVENT_IDX 32 VERSION_1 33 ACCESS_PLATFORM
         34 RING_PACKED 35 IN_ORDER 36 ORDER_PLATFORM 37 SR_IOV 38 NOTIFICATION_DATA 39 NOTIF_CONFIG_DATA
         40 RING_RESET 41 ADMIN_VQ 43 SUSPEND`,
      ],
      ['FEATURE_', '4 WORDS'],
    ],
  },
  {
    file: 'virtio_pci_common.ts',
    abi: virtioPciCommon,
    blocks: [
      {
        table: 'COMMON_CFG',
        prefix: 'COMMON_',
        lines: `
          0 4 device_feature_select RW
          4 4 device_feature RO
          8 4 driver_feature_select RW
          12 4 driver_feature RW
          16 2 config_msix_vector RW 0xffff
          18 2 num_queues RO
          20 1 device_status RW 0 0xdf
          21 1 config_generation RO
          22 2 queue_select RW
          24 2 queue_size RW
          26 2 queue_msix_vector RW 0xffff
          28 2 queue_enable RW 0 1
          30 2 queue_notify_off RO
          32 8 queue_desc RW
          40 8 queue_driver RW
          48 8 queue_device RW
          56 2 queue_notif_config_data RO
          58 2 queue_reset RW 0 1
          60 2 admin_queue_index RO
          62 2 admin_queue_num RO`,
      },
      { table: 'ISR_CFG', prefix: 'ISR_', lines: '0 1 status RC' },
    ],
    numbers: [
      ['COMMON_', '64 SIZE'],
      ['ISR_', '1 STATUS_QUEUE 2 STATUS_CONFIG 1 SIZE'],
      ['VIRTIO_MSI_', '65535 NO_VECTOR'],
      ['NOTIFY_', '0xffff VQ_INDEX_MASK 16 NEXT_OFF_SHIFT 0x7fff0000 NEXT_OFF_MASK 0x80000000 NEXT_WRAP'],
    ],
  },
  {
    file: 'virtio_pci_legacy.ts',
    abi: virtioPciLegacy,
    blocks: [
      {
        table: 'LEGACY_CFG',
        prefix: 'LEGACY_',
        lines: `
          0 4 device_features RO
          4 4 driver_features RW
          8 4 queue_address RW
          12 2 queue_size RO
          14 2 queue_select RW
          16 2 queue_notify RW
          18 1 device_status RW 0 0xdf
          19 1 isr_status RC
          20 2 config_msix_vector RW 0xffff
          22 2 queue_msix_vector RW 0xffff`,
      },
    ],
    numbers: [['LEGACY_', '20 SIZE_WITHOUT_MSIX 24 SIZE_WITH_MSIX 12 PAGE_SHIFT 4096 VRING_ALIGN']],
  },
  {
    file: 'virtio_pci_cap.ts',
    abi: virtioPciCap,
    blocks: [
      {
        table: 'VIRTIO_CAP',
        prefix: 'VIRTIO_PCI_CAP_',
        lines: `${CAP_START}
          2 1 len RO 16
          3 1 cfg_type RO
          4 1 bar RO
          5 1 id RO
          6 2 padding RO
          8 4 offset RO
          12 4 length RO`,
      },
      {
        table: 'VIRTIO_CAP64',
        prefix: 'VIRTIO_PCI_CAP_',
        lines: `${CAP_START}
          2 1 len RO 24
          3 1 cfg_type RO
          4 1 bar RO
          5 1 id RO
          6 2 padding RO
          8 4 offset RO
          12 4 length RO
          16 4 offset_hi RO
          20 4 length_hi RO`,
      },
      {
        table: 'VIRTIO_NOTIFY_CAP',
        prefix: 'VIRTIO_PCI_CAP_',
        lines: `${CAP_START}
          2 1 len RO 20
          3 1 cfg_type RO 2
          4 1 bar RO
          5 1 id RO
          6 2 padding RO
          8 4 offset RO
          12 4 length RO
          16 4 notify_off_multiplier RO`,
      },
      {
        table: 'VIRTIO_CFG_CAP',
        prefix: 'VIRTIO_PCI_CAP_',
        lines: `${CAP_START}
          2 1 len RO 20
          3 1 cfg_type RO 5
          4 1 bar RW
          5 1 id RO
          6 2 padding RO
          8 4 offset RW
          12 4 length RW
          16 4 pci_cfg_data RW`,
      },
    ],
    numbers: [
      ['PCI_CAP_ID_', '0x09 VNDR'],
      [
        'VIRTIO_PCI_CAP_',
        `1 COMMON_CFG 2 NOTIFY_CFG 3 ISR_CFG 4 DEVICE_CFG 5 PCI_CFG 8 SHARED_MEMORY_CFG 9 VENDOR_CFG
         16 SIZE 20 NOTIFY_SIZE 20 PCI_CFG_SIZE`,
      ],
      ['VIRTIO_PCI_CAP64_', '24 SIZE'],
    ],
  },
  {
    file: 'virtio_ring.ts',
    abi: virtioRing,
    blocks: [
      {
        table: 'VIRTQ_DESC',
        prefix: 'VIRTQ_DESC_',
        lines: `
          0 8 addr RW
          8 4 len RW
          12 2 flags RW
          14 2 next RW`,
      },
      { table: 'VIRTQ_AVAIL', prefix: 'VIRTQ_AVAIL_', lines: '0 2 flags RW\n2 2 idx RW' },
      { table: 'VIRTQ_USED', prefix: 'VIRTQ_USED_', lines: '0 2 flags RO\n2 2 idx RO' },
      { table: 'VIRTQ_USED_ELEM', prefix: 'VIRTQ_USED_ELEM_', lines: '0 4 id RO\n4 4 len RO' },
      {
        table: 'PACKED_DESC',
        prefix: 'PACKED_DESC_',
        lines: `
          0 8 addr RW
          8 4 len RW
          12 2 id RW
          14 2 flags RW`,
      },
      { table: 'PACKED_EVENT', prefix: 'PACKED_EVENT_', lines: '0 2 off_wrap RW\n2 2 flags RW 0 3' },
    ],
    numbers: [
      ['VIRTQ_DESC_', '16 SIZE 16 ALIGN 1 F_NEXT 2 F_WRITE 4 F_INDIRECT'],
      ['VIRTQ_AVAIL_', '4 RING 2 ELEM_SIZE 2 ALIGN 1 F_NO_INTERRUPT'],
      ['VIRTQ_USED_', '4 RING 8 ELEM_SIZE 4 ALIGN 1 F_NO_NOTIFY'],
      ['VIRTQ_', '2 EVENT_SIZE 32768 MAX_SIZE'],
      ['PACKED_DESC_', '16 SIZE 16 ALIGN 0x80 F_AVAIL 0x8000 F_USED'],
      [
        'PACKED_EVENT_',
        `4 SIZE 4 ALIGN 0 OFF_WRAP_OFF_SHIFT 0x7fff OFF_WRAP_OFF_MASK 0x8000 OFF_WRAP_WRAP
         0 FLAGS_DESC_SHIFT 3 FLAGS_DESC_MASK`,
      ],
      ['RING_EVENT_FLAGS_', '0 ENABLE 1 DISABLE 2 DESC'],
    ],
  },
  {
    file: 'virtio_admin.ts',
    abi: virtioAdmin,
    blocks: [
      {
        table: 'ADMIN_CMD',
        prefix: 'ADMIN_CMD_',
        lines: `
          0 2 opcode RW
          2 2 group_type RW
          4 4 reserved1 RW 0 0
          8 4 reserved1_8 RW 0 0
          12 4 reserved1_12 RW 0 0
          16 8 group_member_id RW`,
      },
      {
        table: 'ADMIN_RESULT',
        prefix: 'ADMIN_RESULT_',
        lines: '0 2 status RO\n2 2 status_qualifier RO\n4 4 reserved2 RO',
      },
      {
        table: 'ADMIN_NOTIFY_INFO',
        prefix: 'ADMIN_NOTIFY_INFO_',
        lines: '0 1 flags RO\n1 1 bar RO\n2 2 padding RO\n4 4 padding_4 RO\n8 8 offset RO',
      },
      {
        table: 'DEV_PART_HDR',
        prefix: 'DEV_PART_HDR_',
        lines: '0 2 part_type RW\n2 1 flags RW 0 1\n3 1 reserved RO\n4 8 selector RW\n12 4 length RW',
      },
    ],
    numbers: [
      [
        'VIRTIO_ADMIN_CMD_',
        `0x0 LIST_QUERY 0x1 LIST_USE 0x2 LEGACY_COMMON_CFG_WRITE 0x3 LEGACY_COMMON_CFG_READ 0x4 LEGACY_DEV_CFG_WRITE
         0x5 LEGACY_DEV_CFG_READ 0x6 LEGACY_NOTIFY_INFO 0x7 CAP_ID_LIST_QUERY 0x8 DEVICE_CAP_GET 0x9 DRIVER_CAP_SET
         0xa RESOURCE_OBJ_CREATE 0xb RESOURCE_OBJ_MODIFY 0xc RESOURCE_OBJ_QUERY 0xd RESOURCE_OBJ_DESTROY
         0xe DEV_PARTS_METADATA_GET 0xf DEV_PARTS_GET 0x10 DEV_PARTS_SET 0x11 DEV_MODE_SET
         0x11 HIGHEST_ASSIGNED 0x8000 RESERVED_FROM
         0 NOTIFY_INFO_FLAGS_END 1 NOTIFY_INFO_FLAGS_OWNER_DEV 2 NOTIFY_INFO_FLAGS_OWNER_MEM
         0 DEV_PARTS_METADATA_TYPE_SIZE 1 DEV_PARTS_METADATA_TYPE_COUNT 2 DEV_PARTS_METADATA_TYPE_LIST
         0 DEV_PARTS_GET_TYPE_SELECTED 1 DEV_PARTS_GET_TYPE_ALL`,
      ],
      ['VIRTIO_ADMIN_GROUP_TYPE_', '0 SELF 1 SRIOV'],
      ['VIRTIO_ADMIN_STATUS_', '0 OK 6 ENXIO 11 EAGAIN 12 ENOMEM 16 EBUSY 17 EEXIST 22 EINVAL 28 ENOSPC'],
      [
        'VIRTIO_ADMIN_STATUS_Q_',
        `0 OK 1 INVALID_COMMAND 2 INVALID_OPCODE 3 INVALID_FIELD 4 INVALID_GROUP 5 INVALID_MEMBER
         6 NORESOURCE 7 TRYAGAIN`,
      ],
      ['ADMIN_CMD_', '24 COMMAND_SPECIFIC_DATA 24 HEADER_SIZE'],
      ['ADMIN_RESULT_', '8 COMMAND_SPECIFIC_RESULT 8 HEADER_SIZE'],
      ['ADMIN_LEGACY_', '0 WR_OFFSET 1 WR_RESERVED 8 WR_REGISTERS 0 RD_OFFSET'],
      ['ADMIN_NOTIFY_INFO_', '16 ENTRY_SIZE 4 MAX_ENTRIES 64 RESULT_SIZE'],
      ['ADMIN_CAP_', '0 ID 2 RESERVED 8 DATA'],
      ['VIRTIO_', '0x0000 DEV_PARTS_CAP'],
      [
        'VIRTIO_NET_',
        '0x0800 FF_RESOURCE_CAP 0x0801 FF_SELECTOR_CAP 0x0802 FF_ACTION_CAP 0x0803 IPSEC_RESOURCE_CAP 0x0804 IPSEC_SA_CAP',
      ],
      ['DEV_PARTS_CAP_', '0 GET_LIMIT 1 SET_LIMIT 2 SIZE'],
      [
        'RESOURCE_OBJ_',
        '0 HDR_TYPE 2 HDR_RESERVED 4 HDR_ID 8 HDR_SIZE 8 FLAGS 16 DATA 0 DEV_PARTS_TYPE 8 DEV_PARTS_SIZE',
      ],
      ['VIRTIO_RESOURCE_OBJ_', '0 DEV_PARTS 0 DEV_PARTS_TYPE_GET 1 DEV_PARTS_TYPE_SET'],
      [
        'VIRTIO_NET_RESOURCE_OBJ_',
        '0x0200 FF_GROUP 0x0201 FF_CLASSIFIER 0x0202 FF_RULE 0x0203 IPSEC_OUTB_SA 0x0204 IPSEC_INB_SA',
      ],
      ['DEV_PARTS_', '8 METADATA_TYPE 0 METADATA_RESULT_VALUE 4 METADATA_RESULT_RESERVED 8 METADATA_RESULT_HEADERS'],
      ['DEV_PARTS_', '8 GET_TYPE 16 GET_HEADERS 8 SET_PARTS'],
      ['DEV_MODE_', '0 SET_FLAGS 1 F_STOPPED'],
      ['DEV_PART_HDR_', '16 SIZE 1 FLAGS_OPTIONAL'],
      [
        'VIRTIO_DEV_PART_',
        '0x100 DEV_FEATURES 0x101 DRV_FEATURES 0x102 PCI_COMMON_CFG 0x103 DEVICE_STATUS 0x104 VQ_CFG 0x105 VQ_NOTIFY_CFG',
      ],
      ['VIRTIO_NET_DEV_PART_', '0x200 CVQ_CFG_PART'],
      [
        'DEV_PART_VQ_CFG_',
        '0 QUEUE_SIZE 2 VECTOR 4 ENABLED 6 RESERVED 8 QUEUE_DESC 16 QUEUE_DRIVER 24 QUEUE_DEVICE 32 SIZE',
      ],
      ['DEV_PART_VQ_NOTIFY_CFG_', '0 QUEUE_NOTIFY_OFF 2 QUEUE_NOTIF_CONFIG_DATA 4 RESERVED 8 SIZE'],
    ],
  },
];
