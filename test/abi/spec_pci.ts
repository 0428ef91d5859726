// SPDX-License-Identifier: Apache-2.0
// PCI Local Bus 3.0 and PCI Express Base, typed a second time: header, power management, Express, MSI-X, SR-IOV, ARI.
// No number here comes from assembly/abi.

import * as pciAri from '../../assembly/abi/pci_ari.ts';
import * as pciExpress from '../../assembly/abi/pci_express.ts';
import * as pciHeader from '../../assembly/abi/pci_header.ts';
import * as pciMsix from '../../assembly/abi/pci_msix.ts';
import * as pciPm from '../../assembly/abi/pci_pm.ts';
import * as pciSriov from '../../assembly/abi/pci_sriov.ts';
import type { SpecFile } from './spec_table.ts';

export const SPEC_PCI: readonly SpecFile[] = [
  {
    file: 'pci_header.ts',
    abi: pciHeader,
    blocks: [
      {
        table: 'PCI_HEADER',
        prefix: 'PCI_',
        lines: `
          0x00 2 vendor_id RO 0x1af4
          0x02 2 device_id RO 0x1041
          0x04 2 command RW 0 0x0547
          0x06 2 status W1C 0x0010 0xf900
          0x08 1 revision_id RO 1
          0x09 1 class_prog RO
          0x0a 2 class_device RO 0x0200
          0x0c 1 cache_line_size RW
          0x0d 1 latency_timer RO
          0x0e 1 header_type RO
          0x0f 1 bist RO
          0x10 4 base_address_0 RW 0 0
          0x14 4 base_address_1 RW 0 0
          0x18 4 base_address_2 RW 0 0
          0x1c 4 base_address_3 RW 0 0
          0x20 4 base_address_4 RW 0 0
          0x24 4 base_address_5 RW 0 0
          0x28 4 cardbus_cis RO
          0x2c 2 subsystem_vendor_id RO
          0x2e 2 subsystem_id RO
          0x30 4 rom_address RO
          0x34 1 capability_list RO
          0x35 1 reserved_35 RO
          0x36 2 reserved_36 RO
          0x38 4 reserved_38 RO
          0x3c 1 interrupt_line RW
          0x3d 1 interrupt_pin RO
          0x3e 1 min_gnt RO
          0x3f 1 max_lat RO`,
      },
      {
        table: 'PCI_VF_HEADER',
        prefix: 'PCI_',
        lines: `
          0x00 2 vendor_id RO 0xffff
          0x02 2 device_id RO 0xffff
          0x04 2 command RW 0 0x0004
          0x06 2 status W1C 0x0010 0xf900
          0x08 1 revision_id RO 1
          0x09 1 class_prog RO
          0x0a 2 class_device RO 0x0200
          0x0c 1 cache_line_size RO
          0x0d 1 latency_timer RO
          0x0e 1 header_type RO
          0x0f 1 bist RO
          0x10 4 base_address_0 RO
          0x14 4 base_address_1 RO
          0x18 4 base_address_2 RO
          0x1c 4 base_address_3 RO
          0x20 4 base_address_4 RO
          0x24 4 base_address_5 RO
          0x28 4 cardbus_cis RO
          0x2c 2 subsystem_vendor_id RO
          0x2e 2 subsystem_id RO
          0x30 4 rom_address RO
          0x34 1 capability_list RO
          0x35 1 reserved_35 RO
          0x36 2 reserved_36 RO
          0x38 4 reserved_38 RO
          0x3c 1 interrupt_line RO
          0x3d 1 interrupt_pin RO
          0x3e 1 min_gnt RO
          0x3f 1 max_lat RO`,
      },
    ],
    numbers: [
      [
        'PCI_COMMAND_',
        `1 IO 2 MEMORY 4 MASTER 8 SPECIAL 0x10 INVALIDATE 0x20 VGA_PALETTE 0x40 PARITY 0x80 WAIT 0x100 SERR
         0x200 FAST_BACK 0x400 INTX_DISABLE 0x547 WRITABLE`,
      ],
      [
        'PCI_STATUS_',
        `1 IMM_READY 8 INTERRUPT 0x10 CAP_LIST 0x20 66MHZ 0x80 FAST_BACK 0x100 PARITY 9 DEVSEL_SHIFT 0x600 DEVSEL_MASK
         0x800 SIG_TARGET_ABORT 0x1000 REC_TARGET_ABORT 0x2000 REC_MASTER_ABORT 0x4000 SIG_SYSTEM_ERROR
         0x8000 DETECTED_PARITY 0xf900 WRITE_ONE_CLEARS`,
      ],
      ['PCI_HEADER_', '64 SIZE 0 TYPE_LAYOUT_SHIFT 0x7f TYPE_LAYOUT_MASK 0x80 TYPE_MFD'],
      ['PCI_BASE_ADDRESS_', '1 SPACE_IO 4 MEM_TYPE_64 8 MEM_PREFETCH 0xf MEM_FLAGS_MASK 3 IO_FLAGS_MASK'],
      ['PCI_', '256 CFG_SPACE_SIZE 4096 CFG_SPACE_EXP_SIZE 6 STD_NUM_BARS 0 CAP_LIST_ID 1 CAP_LIST_NEXT'],
      [
        'PCI_EXT_CAP_',
        `0x100 START 0 HEADER_ID_SHIFT 0xffff HEADER_ID_MASK 16 HEADER_VERSION_SHIFT 0xf0000 HEADER_VERSION_MASK
         20 HEADER_NEXT_SHIFT 0xfff00000 HEADER_NEXT_MASK`,
      ],
      ['PCI_', '0x1af4 VENDOR_ID_VIRTIO 0x1041 DEVICE_ID_VIRTIO_NET 0x1000 DEVICE_ID_VIRTIO_NET_TRANSITIONAL'],
      ['PCI_', '1 REVISION_VIRTIO 0x0200 CLASS_NETWORK_ETHERNET 0xffff VF_ID_ALL_ONES'],
    ],
  },
  {
    file: 'pci_pm.ts',
    abi: pciPm,
    blocks: [
      {
        table: 'PCI_PM_CAP',
        prefix: 'PCI_PM_',
        lines: `
          0 1 cap_id RO 0x01
          1 1 next RO
          2 2 pmc RO 0x0003
          4 2 ctrl RW 0 0x0003
          6 1 ppb_extensions RO
          7 1 data_register RO`,
      },
    ],
    numbers: [
      ['PCI_CAP_ID_', '1 PM'],
      [
        'PCI_PM_PMC_',
        `0 VERSION_SHIFT 7 VERSION_MASK 8 PME_CLOCK 0x10 IMM_READY 0x20 DSI 6 AUX_CURRENT_SHIFT 0x1c0 AUX_CURRENT_MASK
         0x200 D1 0x400 D2 11 PME_SUPPORT_SHIFT 0xf800 PME_SUPPORT_MASK`,
      ],
      [
        'PCI_PM_CTRL_',
        `0 STATE_SHIFT 3 STATE_MASK 8 NO_SOFT_RESET 0x100 PME_ENABLE 9 DATA_SEL_SHIFT 0x1e00 DATA_SEL_MASK
         13 DATA_SCALE_SHIFT 0x6000 DATA_SCALE_MASK 0x8000 PME_STATUS`,
      ],
      ['PCI_PM_', '8 SIZE 0 D0 1 D1 2 D2 3 D3HOT 3 VERSION_1_2'],
    ],
  },
  {
    file: 'pci_msix.ts',
    abi: pciMsix,
    blocks: [
      {
        table: 'PCI_MSIX_CAP',
        prefix: 'PCI_MSIX_',
        lines: `
          0 1 cap_id RO 0x11
          1 1 next RO
          2 2 flags RW 0 0xc000
          4 4 table RO
          8 4 pba RO`,
      },
      {
        table: 'PCI_MSIX_ENTRY',
        prefix: 'PCI_MSIX_ENTRY_',
        lines: `
          0 4 lower_addr RW 0 0xfffffffc
          4 4 upper_addr RW
          8 4 data RW
          12 4 vector_ctrl RW 1 1`,
      },
    ],
    numbers: [
      ['PCI_CAP_ID_', '0x11 MSIX'],
      ['PCI_MSIX_FLAGS_', '0 QSIZE_SHIFT 0x7ff QSIZE_MASK 0x4000 MASKALL 0x8000 ENABLE 0xc000 WRITABLE'],
      ['PCI_MSIX_', '0 TABLE_BIR_SHIFT 7 TABLE_BIR_MASK 0xfffffff8 TABLE_OFFSET_MASK'],
      ['PCI_MSIX_', '0 PBA_BIR_SHIFT 7 PBA_BIR_MASK 0xfffffff8 PBA_OFFSET_MASK'],
      ['PCI_MSIX_', '12 SIZE 2048 MAX_VECTORS 16 ENTRY_SIZE 1 ENTRY_CTRL_MASKBIT'],
    ],
  },
  {
    file: 'pci_sriov.ts',
    abi: pciSriov,
    blocks: [
      {
        table: 'PCI_SRIOV',
        prefix: 'PCI_SRIOV_',
        lines: `
          0x00 4 header RO 0x00010010
          0x04 4 cap RO
          0x08 2 ctrl RW 0 0x0019
          0x0a 2 status RO
          0x0c 2 initial_vf RO
          0x0e 2 total_vf RO
          0x10 2 num_vf RW
          0x12 1 func_link RO
          0x13 1 reserved_13 RO
          0x14 2 vf_offset RO
          0x16 2 vf_stride RO
          0x18 2 reserved_18 RO
          0x1a 2 vf_did RO
          0x1c 4 sup_pgsize RO 0x00000553
          0x20 4 sys_pgsize RW 1 0x00000553
          0x24 4 bar RW 0 0
          0x28 4 bar_1 RW 0 0
          0x2c 4 bar_2 RW 0 0
          0x30 4 bar_3 RW 0 0
          0x34 4 bar_4 RW 0 0
          0x38 4 bar_5 RW 0 0
          0x3c 4 vfm RO`,
      },
    ],
    numbers: [
      ['PCI_EXT_CAP_', '0x10 ID_SRIOV 1 VERSION_SRIOV 0x24 ID_VF_REBAR'],
      ['PCI_SRIOV_CAP_', '1 VFM 2 ARI_PRESERVED 4 VF_10BIT_TAG'],
      ['PCI_SRIOV_CTRL_', '1 VFE 2 VFM 4 INTR 8 MSE 0x10 ARI 0x20 VF_10BIT_TAG 0x19 WRITABLE'],
      ['PCI_SRIOV_', '1 STATUS_VFM 6 NUM_BARS 64 SIZE 0x553 PGSIZE_REQUIRED 1 PGSIZE_4K'],
    ],
  },
  {
    file: 'pci_ari.ts',
    abi: pciAri,
    blocks: [
      {
        table: 'PCI_ARI',
        prefix: 'PCI_ARI_',
        lines: '0 4 header RO 0x0001000e\n4 2 cap RO\n6 2 ctrl RO',
      },
    ],
    numbers: [
      ['PCI_EXT_CAP_', '0x0e ID_ARI 1 VERSION_ARI'],
      ['PCI_ARI_', '8 SIZE 1 CAP_MFVC 2 CAP_ACS 8 CAP_NFN_SHIFT 0xff00 CAP_NFN_MASK'],
      ['PCI_ARI_CTRL_', '1 MFVC 2 ACS 4 FG_SHIFT 0x70 FG_MASK'],
    ],
  },
  {
    file: 'pci_express.ts',
    abi: pciExpress,
    blocks: [
      {
        table: 'PCI_EXP_CAP',
        prefix: 'PCI_EXP_',
        lines: `
          0x00 1 cap_id RO 0x10
          0x01 1 next RO
          0x02 2 flags RO 0x0002
          0x04 4 devcap RO 0x10008000
          0x08 2 devctl RW 0x2810 0x79ff
          0x0a 2 devsta W1C 0 0x000f
          0x0c 4 lnkcap RO
          0x10 2 lnkctl RW 0 0x00cb
          0x12 2 lnksta RO
          0x14 4 sltcap RO
          0x18 2 sltctl RO
          0x1a 2 sltsta RO
          0x1c 2 rtctl RO
          0x1e 2 rtcap RO
          0x20 4 rtsta RO
          0x24 4 devcap2 RO 0x1f
          0x28 2 devctl2 RW 0 0x1f
          0x2a 2 devsta2 RO
          0x2c 4 lnkcap2 RO
          0x30 2 lnkctl2 RW 0 0xf
          0x32 2 lnksta2 RO
          0x34 4 sltcap2 RO
          0x38 2 sltctl2 RO
          0x3a 2 sltsta2 RO`,
      },
      {
        table: 'PCI_EXP_VF_CAP',
        prefix: 'PCI_EXP_',
        lines: `
          0x00 1 cap_id RO 0x10
          0x01 1 next RO
          0x02 2 flags RO 0x0002
          0x04 4 devcap RO 0x10008000
          0x08 2 devctl RW 0 0
          0x0a 2 devsta W1C 0 0x000f
          0x0c 4 lnkcap RO
          0x10 2 lnkctl RO
          0x12 2 lnksta RO
          0x14 4 sltcap RO
          0x18 2 sltctl RO
          0x1a 2 sltsta RO
          0x1c 2 rtctl RO
          0x1e 2 rtcap RO
          0x20 4 rtsta RO
          0x24 4 devcap2 RO 0x1f
          0x28 2 devctl2 RO
          0x2a 2 devsta2 RO
          0x2c 4 lnkcap2 RO
          0x30 2 lnkctl2 RO
          0x32 2 lnksta2 RO
          0x34 4 sltcap2 RO
          0x38 2 sltctl2 RO
          0x3a 2 sltsta2 RO`,
      },
    ],
    numbers: [
      ['PCI_CAP_ID_', '0x10 EXP'],
      ['PCI_EXP_', '0x3c SIZE 2 VERSION 0 TYPE_ENDPOINT'],
      [
        'PCI_EXP_FLAGS_',
        '0 VERS_SHIFT 0xf VERS_MASK 4 TYPE_SHIFT 0xf0 TYPE_MASK 0x100 SLOT 9 IRQ_SHIFT 0x3e00 IRQ_MASK',
      ],
      [
        'PCI_EXP_DEVCAP_',
        `0 PAYLOAD_SHIFT 7 PAYLOAD_MASK 3 PHANTOM_SHIFT 0x18 PHANTOM_MASK 0x20 EXT_TAG 6 L0S_SHIFT 0x1c0 L0S_MASK
         9 L1_SHIFT 0xe00 L1_MASK 0x8000 RBER 18 PWR_VAL_SHIFT 0x3fc0000 PWR_VAL_MASK 26 PWR_SCL_SHIFT
         0xc000000 PWR_SCL_MASK 0x10000000 FLR`,
      ],
      [
        'PCI_EXP_DEVCTL_',
        `1 CERE 2 NFERE 4 FERE 8 URRE 0x10 RELAX_EN 5 PAYLOAD_SHIFT 0xe0 PAYLOAD_MASK 0x100 EXT_TAG 0x200 PHANTOM
         0x400 AUX_PME 0x800 NOSNOOP_EN 12 READRQ_SHIFT 0x7000 READRQ_MASK 0x8000 BCR_FLR`,
      ],
      ['PCI_EXP_DEVSTA_', '1 CED 2 NFED 4 FED 8 URD 0x10 AUXPD 0x20 TRPND 0x0f WRITE_ONE_CLEARS'],
      [
        'PCI_EXP_LNKCAP_',
        `0 SLS_SHIFT 0xf SLS_MASK 4 MLW_SHIFT 0x3f0 MLW_MASK 10 ASPMS_SHIFT 0xc00 ASPMS_MASK 12 L0SEL_SHIFT
         0x7000 L0SEL_MASK 15 L1EL_SHIFT 0x38000 L1EL_MASK 0x40000 CLKPM 0x80000 SDERC 0x100000 DLLLARC
         0x200000 LBNC 0x400000 AOC 24 PN_SHIFT 0xff000000 PN_MASK`,
      ],
      [
        'PCI_EXP_LNKCTL_',
        `0 ASPMC_SHIFT 3 ASPMC_MASK 8 RCB 0x10 LD 0x20 RL 0x40 CCC 0x80 ES 0x100 CLKREQ_EN 0x200 HAWD 0x400 LBMIE
         0x800 LABIE`,
      ],
      [
        'PCI_EXP_LNKSTA_',
        `0 CLS_SHIFT 0xf CLS_MASK 4 NLW_SHIFT 0x3f0 NLW_MASK 0x800 LT 0x1000 SLC 0x2000 DLLLA 0x4000 LBMS
         0x8000 LABS`,
      ],
      [
        'PCI_EXP_DEVCAP2_',
        `0 COMP_TMOUT_RANGES_SHIFT 0xf COMP_TMOUT_RANGES_MASK 0x10 COMP_TMOUT_DIS 0x20 ARI 0x10000 10BIT_TAG_COMP
         0x20000 10BIT_TAG_REQ`,
      ],
      [
        'PCI_EXP_DEVCTL2_',
        `0 COMP_TIMEOUT_SHIFT 0xf COMP_TIMEOUT_MASK 0x10 COMP_TMOUT_DIS 0x20 ARI 0x100 IDO_REQ_EN 0x200 IDO_CMP_EN
         0x400 LTR_EN 0x1000 10BIT_TAG_REQ_EN`,
      ],
      ['PCI_EXP_', '1 LNKCAP2_SPEEDS_SHIFT 0xfe LNKCAP2_SPEEDS_MASK 0 LNKCTL2_TLS_SHIFT 0xf LNKCTL2_TLS_MASK'],
      ['PCI_EXP_', '1 LNKSTA2_CUR_DEEMPH'],
      ['PCI_EXP_TAGS_', '32 5BIT 256 8BIT'],
      ['PCI_EXP_SPEED_', '1 2_5GT 2 5GT 3 8GT 4 16GT 5 32GT 6 64GT'],
      [
        'PCI_EXP_ENDPOINT_',
        '2 FLAGS 0x10008000 DEVCAP 0x2810 DEVCTL 0x79ff DEVCTL_WRITABLE 0xcb LNKCTL_WRITABLE 0x1f DEVCAP2 0x1f DEVCTL2_WRITABLE',
      ],
    ],
  },
];
