// SPDX-License-Identifier: Apache-2.0
// Numbers of the pcapng format (draft-ietf-opsawg-pcapng) that both its writer and its reader need.
//
//   block   | type 4 | length 4 | body, options ... padded to 4 | length 4 |
//   option  | code 2 | length 2 | value padded to 4 |

export const SECTION_HEADER = 0x0a0d0d0a;
export const INTERFACE_DESCRIPTION = 1;
export const ENHANCED_PACKET = 6;

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
export const PCAPNG_MAJOR = 1;
export const LINKTYPE_ETHERNET = 1;

export const OPT_ENDOFOPT = 0;
// the codes below mean something else in each block
export const SHB_USERAPPL = 4;
export const IF_NAME = 2;
export const IF_DESCRIPTION = 3;
export const IF_TSRESOL = 9;
export const EPB_FLAGS = 2;
