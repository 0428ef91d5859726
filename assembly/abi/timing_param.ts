// SPDX-License-Identifier: Apache-2.0
// Timing profile: indices into PARAM, an array of u32. Unit: core cycles, unless the name ends in _BYTE_COST (cycles
// << 16 for each byte). docs/timing_model.md explains every one; src/device/profile.ts gives names, units and sources.

export const P_FUNCTIONAL = 0; // 1: all costs are taken as zero, nothing waits
export const P_CLOCK_PS = 1;
// the link: latency and bandwidth, both directions independent
export const P_LINK_UP_LATENCY = 2; // device to root complex, one way
export const P_LINK_DOWN_LATENCY = 3;
export const P_LINK_UP_BYTE_COST = 4;
export const P_LINK_DOWN_BYTE_COST = 5;
export const P_TLP_MEM_BYTES = 6; // framing and header of a memory request, 64-bit address
export const P_TLP_MSI_BYTES = 7; // of a write below 4 GiB, as MSI-X is
export const P_TLP_CPL_BYTES = 8; // of a completion
export const P_MPS = 9;
export const P_MRRS = 10;
export const P_RCB = 11;
// the host
export const P_HOST_READ = 12; // request at the root complex until the data is there
// the device as completer
export const P_COMPLETER = 13; // decode of a request
export const P_REGISTER = 14; // access to a register in a BAR
export const P_CONFIG_ACCESS = 15;
// the device as requester and its engines
export const P_DOORBELL = 16; // doorbell decoded, queue marked
export const P_SCHEDULER = 17; // queue picked
export const P_DMA_ENGINE = 18; // set-up of one DMA read
export const P_DESCRIPTOR = 19; // for each descriptor decoded
export const P_ADMIN_DECODE = 20; // header checked
export const P_ADMIN_LIST = 21; // LIST_QUERY, LIST_USE
export const P_ADMIN_LEGACY_READ = 22;
export const P_ADMIN_LEGACY_WRITE = 23;
export const P_ADMIN_NOTIFY_INFO = 24;
export const P_TX = 25; // for each frame sent
export const P_RX = 26; // for each frame received
export const P_CTRL = 27; // for each control command
export const P_SWITCH = 28; // ingress of the switch to its egress
export const P_WRITEBACK = 29; // used element and index put together
export const P_MSIX = 30; // vector looked up
export const P_WIRE_BYTE_COST = 31;
export const P_WIRE_LATENCY = 32; // wire port: last bit out to frame seen
// structure
export const P_QUEUE_JOBS = 33; // chains of one queue in work at a time
export const P_DESCRIPTOR_BLOCK = 34; // descriptors fetched at a time: 1, 2, 4, 8 or 16
