// SPDX-License-Identifier: Apache-2.0
// Random descriptor tables against a reference walker: the same packet, the same drop, or a stop for a cause that the
// chain really has.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { frame, HEADER, packet, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { RawRing, writeDescriptors, type Descriptor } from '../support/raw_ring.ts';
import { F } from '../support/registers.ts';
import { meaningOf, type Meaning } from './support/chain_reference.ts';

const SIZE = 8;
const TABLES = 2;
const ENTRIES = 4;
const TX = 1;
const CAUSES = ['bad_head', 'bad_next', 'bad_loop', 'bad_order', 'bad_indirect', 'bad_length', 'bad_chain', 'bad_dma'];

interface Shape {
  readonly at: number;
  readonly len: number;
  readonly flags: number;
  readonly next: number;
  readonly table: number;
}

/** Mostly well-formed: flags and links that are wrong come now and then. */
const shape = (entries: number): fc.Arbitrary<Shape> =>
  fc.record({
    at: fc.nat({ max: 60 }),
    len: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 40 }) }, { weight: 1, arbitrary: fc.constant(1600) }),
    flags: fc.oneof(
      { weight: 5, arbitrary: fc.constant(1) },
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.constant(4) },
      { weight: 1, arbitrary: fc.constantFrom(2, 3, 5, 6, 7) },
    ),
    next: fc.oneof(
      { weight: 12, arbitrary: fc.nat({ max: entries - 1 }) },
      { weight: 1, arbitrary: fc.constantFrom(entries, entries + 1, 0xffff) },
    ),
    table: fc.nat({ max: TABLES - 1 }),
  });

const tables = fc.record({
  direct: fc.array(shape(SIZE), { minLength: SIZE, maxLength: SIZE }),
  indirect: fc.array(fc.array(shape(ENTRIES), { minLength: ENTRIES, maxLength: ENTRIES }), {
    minLength: TABLES,
    maxLength: TABLES,
  }),
  oddTable: fc.oneof({ weight: 10, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-64, 1, 8) }),
  hasIndirect: fc.boolean(),
  head: fc.oneof({ weight: 20, arbitrary: fc.nat({ max: SIZE - 1 }) }, { weight: 1, arbitrary: fc.constant(SIZE) }),
});

/** Status, wire and counters (what the run added to them) that a meaning allows. */
function check(meaning: Meaning, fn: RawFunction, added: (name: string) => number, sent: readonly Uint8Array[]): void {
  const causes = CAUSES.filter((cause) => added(cause) > 0);
  if ('faults' in meaning) {
    expect(sent).toEqual([]);
    expect(fn.needsReset).toBe(true);
    expect(causes).toHaveLength(1);
    expect(meaning.faults).toContain(causes[0]);
    return;
  }
  if (meaning.hasWritable && fn.needsReset) {
    expect(causes).toEqual(['bad_chain']);
    return;
  }
  expect([fn.needsReset, causes]).toEqual([false, []]);
  expect(fn.ring(TX).usedIdx).toBe(1);
  const length = meaning.bytes.length - HEADER;
  if (length < 14) expect([added('tx_drop_short'), sent]).toEqual([1, []]);
  else if (length > 1518) expect([added('tx_drop_oversize'), sent]).toEqual([1, []]);
  else if (meaning.bytes[1] !== 0 || (meaning.bytes[0]! & 8) !== 0) {
    expect([added('tx_drop_bad_header'), sent]).toEqual([1, []]);
  } else expect(sent).toEqual([meaning.bytes.slice(HEADER)]);
}

describe.each(['functional', 'timed'] as const)('random transmit chains, %s', (mode) => {
  it('mean what the reference walker says they mean', () => {
    const outcomes = new Map<string, number>();
    const card = new RawCard({ mode, queueSize: SIZE, windowBytes: 1 << 20 });
    const fn = card.fn(0, 64 << 10);
    // zeros for a header, then a frame between strangers, then enough to be too long
    const data = fn.place(packet(frame(STRANGER, STRANGER, 1700, 0)));
    const places = Array.from({ length: TABLES }, () => fn.memory.alloc(16 * ENTRIES, 16));
    const ring = new RawRing(fn.memory, SIZE);
    fc.assert(
      fc.property(tables, ({ direct, indirect, oddTable, hasIndirect, head }) => {
        ring.clear();
        card.wire.length = 0;
        fn.start({ features: hasIndirect ? [F.INDIRECT_DESC] : [], queues: { [TX]: { ring } } });
        const before = fn.counters;
        const made = ({ at, len, flags, next, table }: Shape): Descriptor => {
          const isTable = (flags & 4) !== 0;
          const addr = isTable ? fn.memory.iova(places[table]!) : data + at;
          return { addr, len: isTable ? 16 * ENTRIES + oddTable : len, flags, next };
        };
        const written = indirect.map((entries) => entries.map(made));
        written.forEach((entries, i) => writeDescriptors(fn.memory, places[i]!, entries));
        direct.map(made).forEach((descriptor, i) => ring.describe(i, descriptor));
        const meaning = meaningOf(
          {
            direct: direct.map(made),
            indirect: new Map(places.map((at, i) => [fn.memory.iova(at), written[i]!])),
            hasIndirect,
            read: (addr, length) => fn.bytesAt(addr, length),
          },
          head,
        );

        ring.offer(head);
        fn.kick(TX);

        const sent = card.wire.map(({ bytes }) => bytes);
        const after = fn.counters;
        check(meaning, fn, (name) => after[name]! - before[name]!, sent);
        const outcome = 'faults' in meaning ? meaning.faults.join() : 'packet';
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      { seed: 11, numRuns: 600 },
    );
    for (const outcome of ['packet', 'bad_head', 'bad_next', 'bad_loop', 'bad_order', 'bad_indirect']) {
      expect([outcome, (outcomes.get(outcome) ?? 0) > 0]).toEqual([outcome, true]);
    }
  });
});
