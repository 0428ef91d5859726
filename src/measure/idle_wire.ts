// SPDX-License-Identifier: Apache-2.0
// How long the card's link is busy with an access that has it to itself: the arithmetic of assembly/pcie/link.ts, for a
// wire that was idle before, and the writes and the message that answer a command (virtio 1.4 §2.7.8).
import { ADMIN_RESULT_HEADER_SIZE } from '../../assembly/abi/virtio_admin.ts';
import { VIRTQ_USED_ELEM_SIZE } from '../../assembly/abi/virtio_ring.ts';
import * as P from '../../assembly/abi/timing_param.ts';
import { wireCycles, type ResolvedProfile } from '../device/profile.ts';

type Words = ResolvedProfile['words'];

/** What delays the first bit of what is sent without a gap from then on, and how long that is on the wire. */
export interface IdleAnswer {
  readonly delays: readonly { readonly parameter: string; readonly cycles: number }[];
  readonly wire: number;
}

const DLLP_BYTES = 8;
const DWORD = 4;
const USED_INDEX_BYTES = 2;

/**
 * An answer with `resultBytes` of result: status, result, used element and used index (of a packed ring a used descriptor in
 * place of both), each a write that waits for its engine and its copy, and the message behind them. Whatever is ready before the wire is free adds its bytes alone.
 */
export function answerOnIdleWire(words: Words, resultBytes: number, isPacked: boolean): IdleAnswer {
  const word = (index: number): number => words.get(index)!;
  const bytePays = word(P.DLLP_BYTE) * DLLP_BYTES;
  let delays: IdleAnswer['delays'] = [];
  let start = 0;
  let bytes = 0;
  let debt = 0;
  const send = (size: number, causes: IdleAnswer['delays']): void => {
    const ready = causes.reduce((sum, { cycles }) => sum + cycles, 0);
    const free = start + Math.floor((bytes * word(P.BYTE_NUM)) / word(P.BYTE_DEN));
    if (ready > free) {
      delays = causes;
      start = ready;
      bytes = 0;
    }
    // the DLLPs that fell due with what was sent before go first
    const due = bytePays === 0 ? 0 : Math.floor(debt / bytePays);
    debt += size * word(P.DLLP_DEBT) - due * bytePays;
    bytes += size + due * DLLP_BYTES;
  };

  // length, id and flags of a used descriptor are as many bytes as a used element
  const used = isPacked ? [VIRTQ_USED_ELEM_SIZE] : [VIRTQ_USED_ELEM_SIZE, USED_INDEX_BYTES];
  const writes = [ADMIN_RESULT_HEADER_SIZE, resultBytes, ...used];
  const sent = writes.filter((length) => length > 0);
  for (const [turn, length] of sent.entries()) {
    const before = Math.floor(turn / word(P.DMA_WRITE_ENGINES));
    send(word(P.TLP_4DW) + Math.ceil(length / DWORD) * DWORD, [
      { parameter: 'dma.write_interval_ns', cycles: before * word(P.DMA_WRITE_INTERVAL) },
      { parameter: 'dma.copy_gbps', cycles: Math.ceil((length * word(P.DMA_COPY)) / 0x10000) },
    ]);
  }
  send(word(P.TLP_3DW) + DWORD, [{ parameter: 'msix.lookup_ns', cycles: word(P.MSIX) }]);
  return { delays, wire: wireCycles(words, bytes) };
}
