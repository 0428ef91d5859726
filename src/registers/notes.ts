// SPDX-License-Identifier: Apache-2.0
// What each register of configuration space is for in hardware, and what this card makes of it: beside every row in
// docs/registers.md. "Stored only" is a register that keeps what is written and nothing more. A test holds that no row
// is without.

/** What hardware does; what this card does, if that is not the same. */
export type RegisterNote = readonly [hardware: string, card?: string];

type BlockNotes = Readonly<Record<string, RegisterNote>>;

const CAP_ID: RegisterNote = ['says what the capability is'];
const NEXT: RegisterNote = ['where the next capability lies, 0 for the last'];
const RESERVED: RegisterNote = ['reserved in an endpoint, reads zero'];
const NONE: RegisterNote = ['not implemented in PCI Express, reads zero'];
const NO_BAR: RegisterNote = ['an address register that is not implemented reads zero'];
const OF_THE_PF: RegisterNote = ['reserved in a VF: the setting of the PF is its own'];

const COMMON_HEADER: BlockNotes = {
  revision_id: ['at the discretion of the vendor', 'virtio 1.4 §4.1.2.1: 1 or higher for a modern device'],
  class_prog: ['programming interface of the class, 0'],
  class_device: ['class and sub-class: Ethernet controller'],
  latency_timer: NONE,
  header_type: ['layout 0; bit 7 for a device with several functions', 'one function: VFs do not count'],
  bist: ['built-in self test, optional', 'none'],
  base_address_0: NO_BAR,
  base_address_1: NO_BAR,
  cardbus_cis: NONE,
  subsystem_vendor_id: ['at the discretion of the vendor'],
  subsystem_id: ['at the discretion of the vendor; of a legacy virtio device its type'],
  rom_address: ['expansion ROM, optional', 'none'],
  capability_list: ['where the first capability lies'],
  reserved_35: RESERVED,
  reserved_36: RESERVED,
  reserved_38: RESERVED,
  min_gnt: NONE,
  max_lat: NONE,
};

const STATUS_CARD =
  'parity errors after a poisoned completion (master data parity if Command of the PF has parity), rec_master_abort after ' +
  'an Unsupported Request; never sig_target_abort, rec_target_abort, sig_system_error: nothing is aborted, no error message sent';

const HEADER: BlockNotes = {
  ...COMMON_HEADER,
  vendor_id: ['who assigned the device id'],
  device_id: ['which device: 0x1040 and the virtio device type'],
  command: [
    'io, memory: BARs are decoded; master: requests and messages may be sent; parity: see status; serr: errors are reported; intx_disable',
    'io and serr are stored only: there is no I/O BAR, and no error message is sent',
  ],
  status: ['interrupt: INTx is pending; error bits, cleared by a one', STATUS_CARD],
  cache_line_size: ['stored for legacy software, no effect'],
  base_address_2: ['64-bit memory', 'the virtio structures, 16 KiB'],
  base_address_3: ['upper half of the address'],
  base_address_4: ['64-bit memory', 'MSI-X table and pending bits, 4 KiB'],
  base_address_5: ['upper half of the address'],
  interrupt_line: ['stored for software'],
  interrupt_pin: ['1: INTA'],
};

const VF_HEADER: BlockNotes = {
  ...COMMON_HEADER,
  vendor_id: ['all ones: the PF tells it'],
  device_id: ['all ones: VF Device ID of the PF tells it'],
  command: ['master alone: memory is decoded with VF MSE of the PF, and there is no INTx'],
  status: ['error bits, cleared by a one; never interrupt', STATUS_CARD],
  cache_line_size: RESERVED,
  base_address_2: ['zero: the VF BARs of the PF place it'],
  base_address_3: ['as base_address_2'],
  base_address_4: ['as base_address_2'],
  base_address_5: ['as base_address_2'],
  rom_address: RESERVED,
  interrupt_line: RESERVED,
  interrupt_pin: ['zero: a VF has no INTx'],
};

const PM: BlockNotes = {
  cap_id: CAP_ID,
  next: NEXT,
  pmc: ['version; which states, and in which of them it wakes the system', 'D0 and D3hot, no power management events'],
  ctrl: [
    'state: a state that does not exist is ignored; D3hot ends memory decode and bus mastering, and without no_soft_reset the way to D0 resets the function',
    'alike; no power management event, so its enable and status are 0; no data register',
  ],
  ppb_extensions: ['of bridges'],
  data_register: ['power consumed, optional', 'none'],
};

const EXPRESS_COMMON: BlockNotes = {
  cap_id: CAP_ID,
  next: NEXT,
  flags: ['version of the structure, kind of device; interrupt message number of ports'],
  sltcap: RESERVED,
  sltctl: RESERVED,
  sltsta: RESERVED,
  rtctl: RESERVED,
  rtcap: RESERVED,
  rtsta: RESERVED,
  devsta2: RESERVED,
  sltcap2: RESERVED,
  sltctl2: RESERVED,
  sltsta2: RESERVED,
};

const DEVSTA: RegisterNote = [
  'errors detected, reported or not; trpnd: requests of this function are not completed yet',
  'ced and urd after a read that nobody answers, nfed and urd after such a write, nfed after a poisoned completion or a ' +
    'time-out; trpnd as it is when read (functional mode: only with a lost completion and time-outs disabled); no auxiliary power',
];

const EXPRESS: BlockNotes = {
  ...EXPRESS_COMMON,
  devcap: [
    'what Device Control may be set to; slot power comes with a message',
    'payload of link.mps_bytes, ext_tag if link.tags is above 32; no phantom functions, no slot power',
  ],
  devctl: [
    'payload, readrq: longest write, longest read request; ext_tag: 8-bit tags; relax_en, nosnoop_en allow attributes; error reporting enables; bcr_flr resets the function',
    'payload, readrq and ext_tag bound the card with the profile: the lower counts, for the VFs as well. relax_en and ' +
      'nosnoop_en are stored only: no request has such an attribute; so are the enables: no error message is sent. An FLR leaves payload',
  ],
  devsta: DEVSTA,
  lnkcap: [
    'highest speed and width, latencies of ASPM',
    'link.generation (0: as 3) and link.lanes; no ASPM, no clock power management; aoc as PCIe 6.0 demands',
  ],
  lnkctl: [
    'ASPM; rcb: where the root complex cuts completions; ccc, es: for the exit from L0s',
    'stored only: the link stays in L0, and completions are cut at link.rcb_bytes, which enumeration writes here. An FLR leaves all of it',
  ],
  lnksta: ['speed and width as trained', 'those of lnkcap, always'],
  devcap2: [
    'ranges of completion time-outs, and whether they can be disabled; 10-bit tags',
    'all ranges; 10bit_tag_comp from 16 GT/s on, both if link.tags is above 256',
  ],
  devctl2: [
    'range of the completion time-out, or none; 10bit_tag_req_en',
    'the value of link.completion_timeout_ns moves into the range; disabled, a lost completion is waited for. 10-bit tags are used if all functions that are there may',
  ],
  lnkcap2: ['speeds that the link supports', 'that of lnkcap and all below'],
  lnkctl2: [
    'speed to train for next; deemphasis and compliance',
    'tls is stored only: the link does not train again; kept by an FLR, as it is sticky',
  ],
  lnksta2: ['deemphasis at 5 GT/s, equalization', 'zero: no training is modelled'],
};

const VF_EXPRESS: BlockNotes = {
  ...EXPRESS_COMMON,
  devcap: ['as that of the PF'],
  devctl: ['bcr_flr alone: the rest are the settings of the PF'],
  devsta: DEVSTA,
  lnkcap: ['as that of the PF'],
  lnkctl: OF_THE_PF,
  lnksta: ["reserved in a VF: the link is the PF's"],
  devcap2: ['as that of the PF; 10bit_tag_req stands in the SR-IOV capability'],
  devctl2: OF_THE_PF,
  lnkcap2: ['as that of the PF'],
  lnkctl2: OF_THE_PF,
  lnksta2: ["reserved in a VF: the link is the PF's"],
};

const MSIX: BlockNotes = {
  cap_id: CAP_ID,
  next: NEXT,
  flags: ['enable in place of INTx, mask for all vectors; number of vectors less one'],
  table: ['BAR and offset of the table'],
  pba: ['BAR and offset of the pending bits'],
};

const MSIX_ENTRY: BlockNotes = {
  lower_addr: ['address of the message; the two low bits are zero'],
  upper_addr: ['upper half of the address'],
  data: ['data of the message'],
  vector_ctrl: ['masked while bit 0 is set: a message stays pending', 'alike; no steering tags'],
};

const SRIOV: BlockNotes = {
  header: ['id, version, where the next one lies'],
  cap: [
    'VF migration; ARI hierarchy kept over power states; 10-bit tags of VFs',
    'no migration by this way; vf_10bit_tag if link.tags is above 256',
  ],
  ctrl: [
    'vfe: VFs are there; mse: they decode memory; ari: function numbers above 7 can be used; vf_10bit_tag',
    'ari is stored only: routing ids do not depend on it, and kept by an FLR; no migration enables',
  ],
  status: ['VF migration status', 'zero: no migration'],
  initial_vf: ['VFs at first; equal to TotalVFs without migration'],
  total_vf: ['VFs that can be had'],
  num_vf: [
    'VFs that vfe brings; not to be changed meanwhile, nor above TotalVFs',
    'a write that may not be is ignored',
  ],
  func_link: ['function that this one depends on'],
  reserved_13: RESERVED,
  vf_offset: ['routing id of the first VF less that of the PF; may change with NumVFs and ARI', 'never changes'],
  vf_stride: ['distance of their routing ids; may change likewise', 'never changes'],
  reserved_18: RESERVED,
  vf_did: ['device id of the VFs'],
  sup_pgsize: ['system pages that are supported', 'the six that have to be'],
  sys_pgsize: [
    'page that each share of a VF BAR is a multiple of; not to be changed while VFs are there',
    'a write that may not be is ignored',
  ],
  bar: ['VF BAR0, not implemented: legacy access goes through the owner'],
  bar_1: NO_BAR,
  bar_2: ['64-bit memory of all VFs', 'the virtio structures, 16 KiB a VF'],
  bar_3: ['upper half of the address'],
  bar_4: ['64-bit memory of all VFs', 'MSI-X table and pending bits, 4 KiB a VF'],
  bar_5: ['upper half of the address'],
  vfm: ['where the migration state array is', 'zero: no migration'],
};

const ARI: BlockNotes = {
  header: ['id, version, where the next one lies'],
  cap: ['function groups; number of the next function', 'no groups; 0, as the PF is the last: VFs do not count'],
  ctrl: ['function groups', 'zero: there are none'],
};

const CAP: BlockNotes = {
  vndr: ["says that the capability is the vendor's"],
  next: NEXT,
  len: ['length of the capability'],
  cfg_type: ['which virtio structure'],
  bar: ['BAR of the structure'],
  id: ['tells structures of the same type apart', 'zero: one of each'],
  padding: ['reserved'],
  offset: ['where it begins in the BAR'],
  length: ['how long it is'],
};

const CFG_CAP: BlockNotes = {
  ...CAP,
  bar: ["BAR of the access: the driver's choice"],
  offset: ["where in the BAR: the driver's choice"],
  length: [
    "1, 2 or 4 bytes: the driver's choice",
    'alike; any other, or an offset that is no multiple of it, makes pci_cfg_data do nothing',
  ],
  pci_cfg_data: ['an access here is one of the BAR'],
};

/** Notes by block and register. */
export const REGISTER_NOTES: Readonly<Record<string, BlockNotes>> = {
  pci_header: HEADER,
  pci_vf_header: VF_HEADER,
  pci_pm: PM,
  pci_express: EXPRESS,
  pci_vf_express: VF_EXPRESS,
  pci_msix: MSIX,
  pci_msix_entry: MSIX_ENTRY,
  pci_sriov: SRIOV,
  pci_ari: ARI,
  virtio_pci_cap: CAP,
  virtio_pci_cap64: { ...CAP, offset_hi: ['upper half'], length_hi: ['upper half'] },
  virtio_pci_notify_cap: { ...CAP, notify_off_multiplier: ['distance of the notification places of two queues'] },
  virtio_pci_cfg_cap: CFG_CAP,
};
