// SPDX-License-Identifier: Apache-2.0
// PCI Express capability, version 2, 60 bytes, of an endpoint. PCI Express Base §7.5.3; what a VF keeps of it: §9.3.5.
// The slot and root registers belong to ports; in an endpoint they are reserved and read zero.
//
//   0x00 | id | next | flags |  0x04 | DEVCAP |  0x08 | DEVCTL | DEVSTA |  0x0c | LNKCAP |  0x10 | LNKCTL | LNKSTA |
//   0x14 ... 0x23 slot and root (reserved)   |  0x24 | DEVCAP2 |  0x28 | DEVCTL2 | DEVSTA2 |  0x2c | LNKCAP2 |
//   0x30 | LNKCTL2 | LNKSTA2 |  0x34 ... 0x3b slot 2 (reserved)

import { RO, RW, W1C } from './register_row.ts';

export const PCI_CAP_ID_EXP = 0x10;

export const PCI_EXP_CAP_ID = 0x00; // u8
export const PCI_EXP_NEXT = 0x01; // u8
export const PCI_EXP_FLAGS = 0x02; // le16
export const PCI_EXP_DEVCAP = 0x04; // le32
export const PCI_EXP_DEVCTL = 0x08; // le16
export const PCI_EXP_DEVSTA = 0x0a; // le16
export const PCI_EXP_LNKCAP = 0x0c; // le32
export const PCI_EXP_LNKCTL = 0x10; // le16
export const PCI_EXP_LNKSTA = 0x12; // le16
export const PCI_EXP_SLTCAP = 0x14; // le32, reserved
export const PCI_EXP_SLTCTL = 0x18; // le16, reserved
export const PCI_EXP_SLTSTA = 0x1a; // le16, reserved
export const PCI_EXP_RTCTL = 0x1c; // le16, reserved
export const PCI_EXP_RTCAP = 0x1e; // le16, reserved
export const PCI_EXP_RTSTA = 0x20; // le32, reserved
export const PCI_EXP_DEVCAP2 = 0x24; // le32
export const PCI_EXP_DEVCTL2 = 0x28; // le16
export const PCI_EXP_DEVSTA2 = 0x2a; // le16
export const PCI_EXP_LNKCAP2 = 0x2c; // le32
export const PCI_EXP_LNKCTL2 = 0x30; // le16
export const PCI_EXP_LNKSTA2 = 0x32; // le16
export const PCI_EXP_SLTCAP2 = 0x34; // le32, reserved
export const PCI_EXP_SLTCTL2 = 0x38; // le16, reserved
export const PCI_EXP_SLTSTA2 = 0x3a; // le16, reserved
export const PCI_EXP_SIZE = 0x3c;

// Flags
export const PCI_EXP_FLAGS_VERS_SHIFT = 0;
export const PCI_EXP_FLAGS_VERS_MASK = 0x000f;
export const PCI_EXP_FLAGS_TYPE_SHIFT = 4;
export const PCI_EXP_FLAGS_TYPE_MASK = 0x00f0;
export const PCI_EXP_FLAGS_SLOT = 1 << 8;
export const PCI_EXP_FLAGS_IRQ_SHIFT = 9;
export const PCI_EXP_FLAGS_IRQ_MASK = 0x3e00;
export const PCI_EXP_VERSION = 2;
export const PCI_EXP_TYPE_ENDPOINT = 0;

// Device capabilities
export const PCI_EXP_DEVCAP_PAYLOAD_SHIFT = 0;
export const PCI_EXP_DEVCAP_PAYLOAD_MASK = 0x00000007; // max payload: 128 << n bytes
export const PCI_EXP_DEVCAP_PHANTOM_SHIFT = 3;
export const PCI_EXP_DEVCAP_PHANTOM_MASK = 0x00000018;
export const PCI_EXP_DEVCAP_EXT_TAG = 1 << 5;
export const PCI_EXP_DEVCAP_L0S_SHIFT = 6;
export const PCI_EXP_DEVCAP_L0S_MASK = 0x000001c0;
export const PCI_EXP_DEVCAP_L1_SHIFT = 9;
export const PCI_EXP_DEVCAP_L1_MASK = 0x00000e00;
export const PCI_EXP_DEVCAP_RBER = 1 << 15; // role-based error reporting
export const PCI_EXP_DEVCAP_PWR_VAL_SHIFT = 18;
export const PCI_EXP_DEVCAP_PWR_VAL_MASK = 0x03fc0000;
export const PCI_EXP_DEVCAP_PWR_SCL_SHIFT = 26;
export const PCI_EXP_DEVCAP_PWR_SCL_MASK = 0x0c000000;
export const PCI_EXP_DEVCAP_FLR = 1 << 28; // function level reset capable

// Device control
export const PCI_EXP_DEVCTL_CERE = 1 << 0; // correctable error reporting
export const PCI_EXP_DEVCTL_NFERE = 1 << 1; // non-fatal error reporting
export const PCI_EXP_DEVCTL_FERE = 1 << 2; // fatal error reporting
export const PCI_EXP_DEVCTL_URRE = 1 << 3; // unsupported request reporting
export const PCI_EXP_DEVCTL_RELAX_EN = 1 << 4;
export const PCI_EXP_DEVCTL_PAYLOAD_SHIFT = 5;
export const PCI_EXP_DEVCTL_PAYLOAD_MASK = 0x00e0;
export const PCI_EXP_DEVCTL_EXT_TAG = 1 << 8;
export const PCI_EXP_DEVCTL_PHANTOM = 1 << 9;
export const PCI_EXP_DEVCTL_AUX_PME = 1 << 10;
export const PCI_EXP_DEVCTL_NOSNOOP_EN = 1 << 11;
export const PCI_EXP_DEVCTL_READRQ_SHIFT = 12;
export const PCI_EXP_DEVCTL_READRQ_MASK = 0x7000; // max read request: 128 << n bytes
export const PCI_EXP_DEVCTL_BCR_FLR = 1 << 15; // initiate function level reset; always reads zero

// Device status
export const PCI_EXP_DEVSTA_CED = 1 << 0;
export const PCI_EXP_DEVSTA_NFED = 1 << 1;
export const PCI_EXP_DEVSTA_FED = 1 << 2;
export const PCI_EXP_DEVSTA_URD = 1 << 3;
export const PCI_EXP_DEVSTA_AUXPD = 1 << 4;
export const PCI_EXP_DEVSTA_TRPND = 1 << 5; // transactions pending

// Link capabilities, control, status
export const PCI_EXP_LNKCAP_SLS_SHIFT = 0;
export const PCI_EXP_LNKCAP_SLS_MASK = 0x0000000f; // highest speed: 1 = 2.5 GT/s ... 5 = 32 GT/s
export const PCI_EXP_LNKCAP_MLW_SHIFT = 4;
export const PCI_EXP_LNKCAP_MLW_MASK = 0x000003f0; // lanes
export const PCI_EXP_LNKCAP_ASPMS_SHIFT = 10;
export const PCI_EXP_LNKCAP_ASPMS_MASK = 0x00000c00;
export const PCI_EXP_LNKCAP_L0SEL_SHIFT = 12;
export const PCI_EXP_LNKCAP_L0SEL_MASK = 0x00007000;
export const PCI_EXP_LNKCAP_L1EL_SHIFT = 15;
export const PCI_EXP_LNKCAP_L1EL_MASK = 0x00038000;
export const PCI_EXP_LNKCAP_CLKPM = 1 << 18;
export const PCI_EXP_LNKCAP_SDERC = 1 << 19;
export const PCI_EXP_LNKCAP_DLLLARC = 1 << 20;
export const PCI_EXP_LNKCAP_LBNC = 1 << 21;
export const PCI_EXP_LNKCAP_AOC = 1 << 22; // ASPM optionality compliance
export const PCI_EXP_LNKCAP_PN_SHIFT = 24;
export const PCI_EXP_LNKCAP_PN_MASK = 0xff000000;
export const PCI_EXP_LNKCTL_ASPMC_SHIFT = 0;
export const PCI_EXP_LNKCTL_ASPMC_MASK = 0x0003;
export const PCI_EXP_LNKCTL_RCB = 1 << 3; // 0: 64 bytes, 1: 128 bytes
export const PCI_EXP_LNKCTL_LD = 1 << 4;
export const PCI_EXP_LNKCTL_RL = 1 << 5;
export const PCI_EXP_LNKCTL_CCC = 1 << 6;
export const PCI_EXP_LNKCTL_ES = 1 << 7;
export const PCI_EXP_LNKCTL_CLKREQ_EN = 1 << 8;
export const PCI_EXP_LNKCTL_HAWD = 1 << 9;
export const PCI_EXP_LNKCTL_LBMIE = 1 << 10;
export const PCI_EXP_LNKCTL_LABIE = 1 << 11;
export const PCI_EXP_LNKSTA_CLS_SHIFT = 0;
export const PCI_EXP_LNKSTA_CLS_MASK = 0x000f; // current speed, coded as in LNKCAP
export const PCI_EXP_LNKSTA_NLW_SHIFT = 4;
export const PCI_EXP_LNKSTA_NLW_MASK = 0x03f0; // negotiated lanes
export const PCI_EXP_LNKSTA_LT = 1 << 11;
export const PCI_EXP_LNKSTA_SLC = 1 << 12;
export const PCI_EXP_LNKSTA_DLLLA = 1 << 13;
export const PCI_EXP_LNKSTA_LBMS = 1 << 14;
export const PCI_EXP_LNKSTA_LABS = 1 << 15;

// Second set
export const PCI_EXP_DEVCAP2_COMP_TMOUT_RANGES_SHIFT = 0;
export const PCI_EXP_DEVCAP2_COMP_TMOUT_RANGES_MASK = 0x0000000f;
export const PCI_EXP_DEVCAP2_COMP_TMOUT_DIS = 1 << 4;
export const PCI_EXP_DEVCAP2_ARI = 1 << 5; // ARI forwarding, ports only
export const PCI_EXP_DEVCAP2_10BIT_TAG_COMP = 1 << 16;
export const PCI_EXP_DEVCAP2_10BIT_TAG_REQ = 1 << 17;
export const PCI_EXP_DEVCTL2_COMP_TIMEOUT_SHIFT = 0;
export const PCI_EXP_DEVCTL2_COMP_TIMEOUT_MASK = 0x000f;
export const PCI_EXP_DEVCTL2_COMP_TMOUT_DIS = 1 << 4;
export const PCI_EXP_DEVCTL2_ARI = 1 << 5; // ports only
export const PCI_EXP_DEVCTL2_IDO_REQ_EN = 1 << 8;
export const PCI_EXP_DEVCTL2_IDO_CMP_EN = 1 << 9;
export const PCI_EXP_DEVCTL2_LTR_EN = 1 << 10;
export const PCI_EXP_DEVCTL2_10BIT_TAG_REQ_EN = 1 << 12;
export const PCI_EXP_LNKCAP2_SPEEDS_SHIFT = 1;
export const PCI_EXP_LNKCAP2_SPEEDS_MASK = 0x000000fe; // bit n-1 of the field: speed code n supported
export const PCI_EXP_LNKCTL2_TLS_SHIFT = 0;
export const PCI_EXP_LNKCTL2_TLS_MASK = 0x000f; // target link speed
export const PCI_EXP_LNKSTA2_CUR_DEEMPH = 1 << 0;

// Link speed codes of LNKCAP, LNKSTA and LNKCTL2: the generation.
export const PCI_EXP_SPEED_2_5GT = 1;
export const PCI_EXP_SPEED_5GT = 2;
export const PCI_EXP_SPEED_8GT = 3;
export const PCI_EXP_SPEED_16GT = 4;
export const PCI_EXP_SPEED_32GT = 5;
export const PCI_EXP_SPEED_64GT = 6;

// Reset and mask values that join several of the bits above.
export const PCI_EXP_ENDPOINT_FLAGS = 0x0002; // version 2, endpoint
export const PCI_EXP_ENDPOINT_DEVCAP = 0x10008000; // FLR, role-based error reporting; payload and tags come from the profile
export const PCI_EXP_ENDPOINT_DEVCTL = 0x2810; // 512-byte reads, no-snoop and relaxed ordering allowed
// All of DEVCTL except phantom functions and aux power, which the card has not, and BCR_FLR, which acts and does not stick;
// EXT_TAG only where DEVCAP has it.
export const PCI_EXP_ENDPOINT_DEVCTL_WRITABLE = 0x79ff;
export const PCI_EXP_DEVSTA_WRITE_ONE_CLEARS = 0x000f;
export const PCI_EXP_ENDPOINT_LNKCTL_WRITABLE = 0x00cb; // ASPM, RCB, common clock, extended synch
export const PCI_EXP_ENDPOINT_DEVCAP2 = 0x0000001f; // completion timeout ranges A to D, and disable
export const PCI_EXP_ENDPOINT_DEVCTL2_WRITABLE = 0x001f; // and 10BIT_TAG_REQ_EN where DEVCAP2 has it

// Requests that a tag field tells apart (§2.2.6.2).
export const PCI_EXP_TAGS_5BIT = 32;
export const PCI_EXP_TAGS_8BIT = 256;

// prettier-ignore
export const PCI_EXP_CAP: StaticArray<u32> = [ // offset, width, access, reset, write mask
  PCI_EXP_CAP_ID, 1, RO, PCI_CAP_ID_EXP, 0,
  PCI_EXP_NEXT, 1, RO, 0, 0,
  PCI_EXP_FLAGS, 2, RO, PCI_EXP_ENDPOINT_FLAGS, 0,
  PCI_EXP_DEVCAP, 4, RO, PCI_EXP_ENDPOINT_DEVCAP, 0,
  PCI_EXP_DEVCTL, 2, RW, PCI_EXP_ENDPOINT_DEVCTL, PCI_EXP_ENDPOINT_DEVCTL_WRITABLE,
  PCI_EXP_DEVSTA, 2, W1C, 0, PCI_EXP_DEVSTA_WRITE_ONE_CLEARS,
  PCI_EXP_LNKCAP, 4, RO, 0, 0,
  PCI_EXP_LNKCTL, 2, RW, 0, PCI_EXP_ENDPOINT_LNKCTL_WRITABLE,
  PCI_EXP_LNKSTA, 2, RO, 0, 0,
  PCI_EXP_SLTCAP, 4, RO, 0, 0,
  PCI_EXP_SLTCTL, 2, RO, 0, 0,
  PCI_EXP_SLTSTA, 2, RO, 0, 0,
  PCI_EXP_RTCTL, 2, RO, 0, 0,
  PCI_EXP_RTCAP, 2, RO, 0, 0,
  PCI_EXP_RTSTA, 4, RO, 0, 0,
  PCI_EXP_DEVCAP2, 4, RO, PCI_EXP_ENDPOINT_DEVCAP2, 0,
  PCI_EXP_DEVCTL2, 2, RW, 0, PCI_EXP_ENDPOINT_DEVCTL2_WRITABLE,
  PCI_EXP_DEVSTA2, 2, RO, 0, 0,
  PCI_EXP_LNKCAP2, 4, RO, 0, 0,
  PCI_EXP_LNKCTL2, 2, RW, 0, PCI_EXP_LNKCTL2_TLS_MASK,
  PCI_EXP_LNKSTA2, 2, RO, 0, 0,
  PCI_EXP_SLTCAP2, 4, RO, 0, 0,
  PCI_EXP_SLTCTL2, 2, RO, 0, 0,
  PCI_EXP_SLTSTA2, 2, RO, 0, 0,
];

// A VF follows the controls of its PF; of its own it has the error bits of DEVSTA and the FLR bit.
// prettier-ignore
export const PCI_EXP_VF_CAP: StaticArray<u32> = [
  PCI_EXP_CAP_ID, 1, RO, PCI_CAP_ID_EXP, 0,
  PCI_EXP_NEXT, 1, RO, 0, 0,
  PCI_EXP_FLAGS, 2, RO, PCI_EXP_ENDPOINT_FLAGS, 0,
  PCI_EXP_DEVCAP, 4, RO, PCI_EXP_ENDPOINT_DEVCAP, 0,
  PCI_EXP_DEVCTL, 2, RW, 0, 0,
  PCI_EXP_DEVSTA, 2, W1C, 0, PCI_EXP_DEVSTA_WRITE_ONE_CLEARS,
  PCI_EXP_LNKCAP, 4, RO, 0, 0,
  PCI_EXP_LNKCTL, 2, RO, 0, 0,
  PCI_EXP_LNKSTA, 2, RO, 0, 0,
  PCI_EXP_SLTCAP, 4, RO, 0, 0,
  PCI_EXP_SLTCTL, 2, RO, 0, 0,
  PCI_EXP_SLTSTA, 2, RO, 0, 0,
  PCI_EXP_RTCTL, 2, RO, 0, 0,
  PCI_EXP_RTCAP, 2, RO, 0, 0,
  PCI_EXP_RTSTA, 4, RO, 0, 0,
  PCI_EXP_DEVCAP2, 4, RO, PCI_EXP_ENDPOINT_DEVCAP2, 0,
  PCI_EXP_DEVCTL2, 2, RO, 0, 0,
  PCI_EXP_DEVSTA2, 2, RO, 0, 0,
  PCI_EXP_LNKCAP2, 4, RO, 0, 0,
  PCI_EXP_LNKCTL2, 2, RO, 0, 0,
  PCI_EXP_LNKSTA2, 2, RO, 0, 0,
  PCI_EXP_SLTCAP2, 4, RO, 0, 0,
  PCI_EXP_SLTCTL2, 2, RO, 0, 0,
  PCI_EXP_SLTSTA2, 2, RO, 0, 0,
];
