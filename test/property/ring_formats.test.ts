// SPDX-License-Identifier: Apache-2.0
// Split and packed rings carry the same: equal work by drivers gives equal frames, answers and counters, with and without
// indirect tables, event index and merged receive buffers, in either mode.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Machine } from '../../src/machine/machine.ts';

const INDIRECT_DESC = 28;
const EVENT_IDX = 29;
const MRG_RXBUF = 15;
const RING_PACKED = 34;
const VFS = 3;
/** Counters that depend on when the card looks. */
const TEMPORAL = new Set(['interrupts', 'interrupts_suppressed', 'doorbells', 'doorbells_ignored']);

interface Send {
  readonly from: number;
  readonly to: number;
  readonly lengths: readonly number[];
}

function carry(packed: boolean, mode: 'functional' | 'timed', without: readonly number[], work: readonly Send[]) {
  const machine = new Machine({ packed, mode, totalVfs: VFS, numVfs: VFS, queueSize: 32, withoutFeatures: without });
  const drivers = Array.from({ length: VFS }, (_, i) => machine.startModern(i + 1));
  for (const { transport } of drivers) expect(transport.hasFeature(RING_PACKED)).toBe(packed);
  const seen: string[] = [];
  drivers.forEach(({ rx }, i) => {
    rx[0]!.onReceive = (bytes, offset, length) =>
      seen.push(`vf ${i + 1} ${Buffer.from(bytes.slice(offset, offset + length)).toString('hex')}`);
  });
  machine.nic.onFrame((bytes) => seen.push(`wire ${Buffer.from(bytes).toString('hex')}`));
  let seed = 0;
  for (const { from, to, lengths } of work) {
    for (const length of lengths) {
      const frame = Uint8Array.from({ length }, (_, i) => (i + seed) & 0xff);
      frame.set([0x02, 0x76, 0x66, 0, 0, to, 0x02, 0x76, 0x66, 0, 0, from, 0x88, 0xb5]);
      seed++;
      drivers[from - 1]!.send(frame);
    }
    machine.settle();
  }
  const answers = [0, 6, 3].map((opcode) => machine.pf.admin.exec(opcode, 1, 1, null, 16).status);
  const controls = [0, 1, 2].map((command) => drivers[0]!.command(0, command, [1]));
  machine.settle();
  const counters = Array.from({ length: VFS + 1 }, (_, fn) =>
    Object.entries(machine.nic.functionCounters(fn)).filter(([name]) => !TEMPORAL.has(name)),
  );
  return { seen, answers, controls, counters };
}

describe.each(['functional', 'timed'] as const)('split and packed rings, %s', (mode) => {
  it('carry the same, whatever else is negotiated', () => {
    let carried = 0;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            from: fc.integer({ min: 1, max: VFS }),
            to: fc.integer({ min: 1, max: VFS + 1 }), // the last one is nobody: the wire
            lengths: fc.array(fc.integer({ min: 60, max: 1514 }), { minLength: 1, maxLength: 6 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        fc.subarray([INDIRECT_DESC, EVENT_IDX, MRG_RXBUF]),
        (work, without) => {
          const split = carry(false, mode, without, work);
          const packed = carry(true, mode, without, work);

          expect(packed).toEqual(split);
          carried += packed.seen.length;
        },
      ),
      { seed: 15, numRuns: 15 },
    );
    expect(carried).toBeGreaterThan(100);
  });
});
