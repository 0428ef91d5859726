// SPDX-License-Identifier: Apache-2.0
// What a kernel, or whoever speaks like one, said that cannot be. Its connection ends with the reason; it is no mistake of
// a driver inside the guest, which is the card's to answer.
export class PeerFault extends Error {}

/** The backend channel takes nothing more: that of a kernel that dies closes before or behind its connection. */
export class ChannelFault extends PeerFault {}

/** Ends the connection for a reason. */
export function lie(reason: string): never {
  throw new PeerFault(reason);
}
