// SPDX-License-Identifier: Apache-2.0
// Timing profile: indices into PARAM, an array of u32. Unit: core cycles, unless a comment says otherwise.
// docs/timing_model.md explains every one; src/device/profile_rows.ts gives names, units and sources.

export const FUNCTIONAL = 0; // 1: all costs are taken as zero, nothing waits
export const CLOCK_PS = 1;

// the link, both directions alike; a byte takes BYTE_NUM / BYTE_DEN of a cycle, exactly
export const BYTE_NUM = 2;
export const BYTE_DEN = 3; // below 2^31
export const DLLP_DEBT = 4; // debt that a byte of a TLP adds ...
export const DLLP_BYTE = 5; // ... and the debt that a byte of a DLLP or ordered set pays
export const UP_LATENCY = 6; // device to root complex: last symbol sent until it is received
export const DOWN_LATENCY = 7;
export const TLP_3DW = 8; // bytes: framing, header, digest of a TLP with a 3 DW header
export const TLP_4DW = 9;
export const MPS = 10; // bytes; the PF's registers may lower this and the next, see pcie/device_control.ts
export const MRRS = 11; // bytes
export const RCB = 12; // bytes: where completions may be cut
export const CPL_BYTES = 13; // bytes of data in a completion, at most
// credits of the root complex (what the card may send) and of the card; 0: infinite
export const UP_PH = 14;
export const UP_PD = 15; // 16 bytes each
export const UP_NPH = 16;
export const UP_NPD = 17;
export const UP_CPLH = 18;
export const UP_CPLD = 19;
export const DOWN_PH = 20;
export const DOWN_PD = 21;
export const DOWN_NPH = 22;
export const DOWN_NPD = 23;
export const FC_INTERVAL = 24; // UpdateFC DLLPs go out at multiples of it; 0: at once
// the card's room for completions, reserved before a read is sent; 0: infinite
export const CPL_HEADERS = 25;
export const CPL_DATA = 26; // 16 bytes each
export const TAGS = 27;
export const CPL_TIMEOUT = 28; // a read without completion is given up after it

// the host
export const HOST_READ = 29; // request at the root complex until the data is there
export const HOST_WRITE = 30; // write at the root complex until the host's cores see it
export const HOST_INTERRUPT = 31; // message in effect until its handler runs
// what a read takes longer, by quantile, linear in between; all 0: constant
export const EXTRA_P50 = 32;
export const EXTRA_P95 = 33;
export const EXTRA_P99 = 34;
export const EXTRA_P999 = 35;
export const EXTRA_MAX = 36;
export const SEED = 37; // any word
export const IOTLB_SETS = 38; // 0: no translation on the way
export const IOTLB_WAYS = 39;
export const IOTLB_SHIFT = 40; // log2 of the page
export const IOTLB_WALK = 41; // a miss waits that long for its translation ...
export const IOTLB_WALKER = 42; // ... and keeps one of the walkers busy that long
export const IOTLB_WALKERS = 43;

// the card as completer
export const COMPLETER = 44; // decode of a request
export const COMPLETER_INTERVAL = 45; // between two requests
export const REGISTER = 46; // access to a register in a BAR
export const CONFIG_ACCESS = 47;

// the card as requester
export const DMA_SETUP = 48; // descriptor of the DMA engine written until the first TLP is ready
export const DMA_READ_INTERVAL = 49; // between two reads of one engine
export const DMA_WRITE_INTERVAL = 50;
export const DMA_COPY = 51; // cycles << 16 for each byte: data is stored once more before it goes on
export const DMA_READ_ENGINES = 52;
export const DMA_WRITE_ENGINES = 53;

// queues and execution
export const DOORBELL = 54; // doorbell decoded, queue marked
export const SCHEDULER = 55; // one queue picked
export const DESCRIPTOR = 56; // for each descriptor decoded
export const ADMIN_DECODE = 57; // header checked
export const ADMIN_LIST = 58; // LIST_QUERY, LIST_USE
export const ADMIN_LEGACY_READ = 59;
export const ADMIN_LEGACY_WRITE = 60;
export const ADMIN_NOTIFY_INFO = 61;
export const TX = 62; // for each frame sent
export const RX = 63; // for each frame received
export const CTRL = 64; // for each control command
export const SWITCH = 65; // ingress of the switch to its egress
export const WRITEBACK = 66; // used element and index put together
export const MSIX = 67; // vector looked up
export const WIRE_BYTE_COST = 68; // cycles << 16 for each byte
export const WIRE_LATENCY = 69; // wire port: last bit out to frame seen
export const QUEUE_JOBS = 70; // chains of one queue in work at a time
export const DESCRIPTOR_BLOCK = 71; // descriptors fetched at a time: 1, 2, 4, 8 or 16
export const FETCH_LINE = 72; // 1: the read of the available index takes the rest of its 64-byte line along
export const FETCH_PACKED_LINES = 80; // 64-byte lines of a packed ring read at a time: 1 to 4
export const ADMIN_ENGINES = 73;
export const TX_ENGINES = 74;
export const RX_ENGINES = 75;
export const CTRL_ENGINES = 76;
export const LINK_GENERATION = 78; // as the Link registers show it, 0: a wire that is no PCIe
export const LINK_LANES = 79;
export const HOST_MMIO = 77; // host's core to root complex, one way
