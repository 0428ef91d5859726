// SPDX-License-Identifier: Apache-2.0
// Shapes of the kernel's messages: how long each is, which descriptors come with it, what its fields say.
import type { RawMessage } from '../peer/message_input.ts';
import type { RegionRequest } from './guest_memory.ts';
import { lie } from './peer_fault.ts';
import * as P from './protocol.ts';
import type { RingAddresses } from './split_queue.ts';

/** A message whose shape is right. */
export interface KernelMessage {
  readonly request: number;
  readonly needsReply: boolean;
  readonly payload: DataView;
  /** Who takes one out has it. */
  readonly fds: number[];
}

/** Payload in bytes; the memory table's depends on the number of its regions. */
const PAYLOAD_BYTES: ReadonlyMap<number, number> = new Map([
  [P.GET_FEATURES, 0],
  [P.SET_FEATURES, P.U64_BYTES],
  [P.SET_OWNER, 0],
  [P.SET_MEM_TABLE, P.MEM_REGIONS],
  [P.SET_VRING_NUM, P.STATE_BYTES],
  [P.SET_VRING_ADDR, P.ADDR_BYTES],
  [P.SET_VRING_BASE, P.STATE_BYTES],
  [P.GET_PROTOCOL_FEATURES, 0],
  [P.SET_PROTOCOL_FEATURES, P.U64_BYTES],
  [P.SET_VRING_ENABLE, P.STATE_BYTES],
  [P.SET_BACKEND_REQ_FD, 0],
  [P.VRING_KICK, P.STATE_BYTES],
]);

/** Throws PeerFault where the shape of a message is wrong. */
export function checkMessage({ header, payload, isPossible, fds, hasLostFds }: RawMessage): KernelMessage {
  const request = header.getUint32(P.HEADER_REQUEST, true);
  const flags = header.getUint32(P.HEADER_FLAGS, true);
  const bytes = PAYLOAD_BYTES.get(request);
  if (!isPossible) lie(`a message with ${header.getUint32(P.HEADER_SIZE, true)} bytes of payload`);
  if ((flags & ~P.FLAG_NEED_REPLY) !== P.FLAG_VERSION) lie(`a message with flags 0x${flags.toString(16)}`);
  if (bytes === undefined) lie(`request ${request} is not one of those that the server knows`);
  const isTable = request === P.SET_MEM_TABLE;
  if (isTable ? payload.byteLength < bytes : payload.byteLength !== bytes) {
    lie(`request ${request} with ${payload.byteLength} bytes of payload; it has ${bytes}`);
  }
  const files = isTable ? regionsOf(payload) : request === P.SET_BACKEND_REQ_FD ? 1 : 0;
  if (hasLostFds || fds.length !== files) {
    lie(`request ${request} with ${hasLostFds ? 'too many' : fds.length} file descriptors; it has ${files}`);
  }
  return { request, needsReply: (flags & P.FLAG_NEED_REPLY) !== 0, payload, fds };
}

/** Regions of a memory table; older kernels send room for more of them. */
function regionsOf(payload: DataView): number {
  const count = payload.getUint32(0, true);
  if (count === 0 || count > P.MAX_REGIONS || payload.byteLength < P.MEM_REGIONS + count * P.REGION_BYTES) {
    lie(`a memory table of ${count} regions in ${payload.byteLength} bytes`);
  }
  return count;
}

export function readRegions(payload: DataView, fds: readonly number[]): RegionRequest[] {
  return fds.map((fd, i) => {
    const at = P.MEM_REGIONS + i * P.REGION_BYTES;
    return {
      fd,
      guest: wide(payload, at),
      size: wide(payload, at + P.REGION_SIZE),
      user: wide(payload, at + P.REGION_USER),
      fileOffset: wide(payload, at + P.REGION_OFFSET),
    };
  });
}

export function readRings(payload: DataView): RingAddresses {
  const flags = payload.getUint32(P.ADDR_FLAGS, true);
  if (flags !== 0) lie(`a queue with flags 0x${flags.toString(16)}; there is no log of dirty pages`);
  return {
    desc: wide(payload, P.ADDR_DESC),
    avail: wide(payload, P.ADDR_AVAIL),
    used: wide(payload, P.ADDR_USED),
  };
}

/** A field of 64 bits; those beyond 2^53 lose their low bits, and lie outside of everything. */
function wide(payload: DataView, at: number): number {
  return Number(payload.getBigUint64(at, true));
}
