// SPDX-License-Identifier: Apache-2.0
// TLPs and bytes on the link, counted by hand: memory requests 24 bytes and their payload, MSI-X 20 and 4, completions 20
// and their payload; MRRS 512, completions of 256 at most.
import { describe, expect, it } from 'vitest';

import { cut } from '../conformance/ring/support/buffers.ts';
import { frame, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { R } from '../support/registers.ts';
import { adminCommand, bench, type Bench } from './support/bench.ts';

interface Traffic {
  readonly tlpsUp: number;
  readonly tlpsDown: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

function during({ card }: Bench, work: () => void): Traffic {
  card.settle();
  const before = card.nic.linkTraffic();
  work();
  card.settle();
  const after = card.nic.linkTraffic();
  return {
    tlpsUp: after.tlpsUp - before.tlpsUp,
    tlpsDown: after.tlpsDown - before.tlpsDown,
    bytesUp: after.bytesUp - before.bytesUp,
    bytesDown: after.bytesDown - before.bytesDown,
  };
}

/** Sends a packet of these parts, on boundaries of 64 bytes or of `alignment`, `offset` bytes behind them. */
function send(at: Bench, parts: readonly Uint8Array[], alignment = 64, offset = 0): Traffic {
  const ring = at.fn.ring(1);
  const place = (part: Uint8Array): number =>
    at.fn.place(Uint8Array.of(...new Uint8Array(offset), ...part), alignment) + offset;
  ring.chain(parts.map((part) => ({ addr: place(part), len: part.length })));
  return during(at, () => {
    ring.offer(0);
    at.fn.notify(1);
  });
}

describe('link traffic', () => {
  it('of a register read is one request down and one completion up', () => {
    const at = bench();

    expect(during(at, () => void at.fn.read(R.NUM_QUEUES))).toEqual({
      tlpsUp: 1,
      tlpsDown: 1,
      bytesUp: 24,
      bytesDown: 24,
    });
  });

  it('of a register write is one request down', () => {
    const at = bench();

    expect(during(at, () => at.fn.write(R.QUEUE_SELECT, 1))).toEqual({
      tlpsUp: 0,
      tlpsDown: 1,
      bytesUp: 0,
      bytesDown: 28,
    });
  });

  // up: four reads 96, result 24 + 16, element 24 + 8, index 24 + 4, MSI-X 24; down: doorbell 28, completions of 4, 4, 64, 24
  it('of one admin command is 8 TLPs up and 5 down', () => {
    const at = bench();

    expect(during(at, () => void adminCommand(at))).toEqual({ tlpsUp: 8, tlpsDown: 5, bytesUp: 220, bytesDown: 204 });
  });

  // up: four reads 96, element 32, index 28, MSI-X 24; down: doorbell 28, completions of 4, 4, 64, 76
  it('of one frame of 64 bytes is 7 TLPs up and 5 down', () => {
    const at = bench();

    expect(send(at, [packet(frame(STRANGER, at.fn.mac, 64))])).toEqual({
      tlpsUp: 7,
      tlpsDown: 5,
      bytesUp: 180,
      bytesDown: 256,
    });
  });

  // 1530 bytes: reads of 512, 512 and 506; completions of 256, the last of 250
  it('of a large frame is requests of 512 and completions of 256 bytes', () => {
    const at = bench();
    const parts = [packet(frame(STRANGER, at.fn.mac, 1518))];

    const { tlpsUp, tlpsDown } = send(at, parts, 4096);

    expect({ tlpsUp, tlpsDown }).toEqual({ tlpsUp: 3 + 3 + 3, tlpsDown: 1 + 3 + 6 });
  });

  // from 3,900 on: 196 bytes to 4 KiB, then 512, 512 and 310. Of the 196, 60 are in the first block of 64 that completions
  // respect (3,900 = 60 x 64 + 60): 4 + 192 fit one completion; then 2 + 2 + 2
  it('of a frame across 4 KiB is cut there, and once more', () => {
    const at = bench();
    const parts = [packet(frame(STRANGER, at.fn.mac, 1518))];

    const { tlpsUp, tlpsDown } = send(at, parts, 4096, 3900);

    expect({ tlpsUp, tlpsDown }).toEqual({ tlpsUp: 3 + 4 + 3, tlpsDown: 1 + 3 + (1 + 2 + 2 + 2) });
  });

  it('of a packet in pieces is a request and a completion for each', () => {
    const at = bench();
    const whole = packet(frame(STRANGER, at.fn.mac, 64));

    // header 12, then 32 and 32 bytes: completions of 32, 52 and 52 bytes in place of one of 96
    expect(send(at, cut(whole, 12, 44))).toEqual({ tlpsUp: 9, tlpsDown: 7, bytesUp: 228, bytesDown: 296 });
  });
});
