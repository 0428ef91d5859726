// SPDX-License-Identifier: Apache-2.0
// Whatever bytes are handed over as a capture: they end in frames or in an error of ours, the same whether they come whole
// or in pieces, and no more is held in memory than they are.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { UsageError } from '../../src/util/errors.ts';
import type { ByteSource } from '../../src/wire/byte_reader.ts';
import { CaptureReader, openCapture } from '../../src/wire/capture.ts';
import { encodePcap } from '../../src/wire/pcap.ts';
import { Blocks } from '../support/pcapng_blocks.ts';

const RUNS = 500;

interface Outcome {
  readonly frames: readonly string[];
  readonly error: string | null;
}

function outcomeOf(read: () => Iterable<{ seconds: number; nanoseconds: number; bytes: Uint8Array }>): Outcome {
  const frames: string[] = [];
  try {
    for (const { seconds, nanoseconds, bytes } of read()) {
      expect(nanoseconds).toBeGreaterThanOrEqual(0);
      expect(nanoseconds).toBeLessThan(1e9);
      frames.push(`${seconds} ${nanoseconds} ${Buffer.from(bytes).toString('hex')}`);
    }
    return { frames, error: null };
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return { frames, error: String(error) };
  }
}

/** The bytes in pieces of these lengths, again and again, with nothing yet before each. */
function arriving(bytes: Uint8Array, pieces: readonly number[]): ByteSource {
  let at = 0;
  let turn = 0;
  return {
    read: (into) => {
      if (turn++ % 2 === 0) return null;
      const count = Math.min(into.length, bytes.length - at, pieces[(turn >> 1) % pieces.length]!);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return count;
    },
  };
}

function* follow(source: ByteSource): Generator<{ seconds: number; nanoseconds: number; bytes: Uint8Array }> {
  const reader = new CaptureReader(source, 'IN');
  for (let frame = reader.next(); frame !== null; frame = reader.next()) if (frame !== undefined) yield frame;
}

/** What becomes of the bytes when they come whole, and when they come in pieces. */
function bothWays(bytes: Uint8Array, lengths: readonly number[]): [whole: Outcome, arrived: Outcome] {
  const whole = outcomeOf(() => openCapture(bytes, 'IN').frames());
  return [whole, outcomeOf(() => follow(arriving(bytes, lengths)))];
}

const pieces = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 });

const pcap = encodePcap([1, 2, 3].map((n) => ({ seconds: n, nanoseconds: n, bytes: new Uint8Array(20 * n).fill(n) })));
const pcapngOf = (order: 'little' | 'big'): Uint8Array => {
  const blocks = new Blocks(order);
  return Uint8Array.from(
    Buffer.concat([
      blocks.section([[1, new Uint8Array(5)]]),
      blocks.interface(1, 0, [[9, [9, 1]], [14, [1, 8]]]), // prettier-ignore
      blocks.interface(113),
      blocks.packet(0, 77n, new Uint8Array(30).fill(1), 30, [[2, [0x80, 4]]]),
      blocks.block(4, [new Uint8Array(9)]),
      blocks.packet(1, 78n, new Uint8Array(3)),
      blocks.oldPacket(0, 79n, new Uint8Array(31).fill(2)),
      blocks.simplePacket(8, new Uint8Array(8).fill(3)),
    ]),
  );
};
const files = [pcap, pcapngOf('little'), pcapngOf('big')];

const damage = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 3, 4, 0x0a, 0x7f, 0x80, 0xff), count: fc.integer({ min: 1, max: 4 }) }); // prettier-ignore

describe('any bytes as a capture', () => {
  it('that begin like one, end in frames or an error', () => {
    const magics = fc.constantFrom(...files.map((file) => file.subarray(0, 12)), pcap.subarray(0, 24));
    const property = fc.property(magics, fc.uint8Array({ maxLength: 300 }), pieces, (magic, tail, lengths) => {
      const [whole, arrived] = bothWays(Uint8Array.of(...magic, ...tail), lengths);
      expect(arrived).toEqual(whole);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  it('that were a capture before they were damaged, end in frames or an error', () => {
    const property = fc.property(
      fc.constantFrom(...files),
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      pieces,
      (file, places, cut, lengths) => {
        const bytes = file.slice(0, cut % 4 === 0 ? cut % (file.length + 1) : file.length);
        for (const { at, value, count } of places) {
          if (bytes.length > 0) bytes.fill(value, at % bytes.length, (at % bytes.length) + count);
        }
        const [whole, arrived] = bothWays(bytes, lengths);
        expect(arrived).toEqual(whole);
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });

  it('that are whole, come out as they are', () => {
    for (const file of files) {
      const [whole, arrived] = bothWays(file, [7]);
      expect(whole.error).toBeNull();
      expect(arrived).toEqual(whole);
    }
  });

  it('take no memory for what they only claim', () => {
    // the largest record of each format, 256 KiB and 16 MiB, without its bytes
    const record = Uint8Array.of(...pcap.subarray(0, 24), ...new Uint8Array(8), 0, 0, 4, 0, 0, 0, 4, 0);
    const block = Uint8Array.of(...new Blocks('little').section(), 6, 0, 0, 0, 0, 0, 0, 1);
    const asked: number[] = [];
    const source = (bytes: Uint8Array): ByteSource => {
      const from = arriving(bytes, [1000]);
      return {
        read: (into) => {
          asked.push(into.length);
          return from.read(into);
        },
      };
    };

    const errors = [record, block].map((bytes) => outcomeOf(() => follow(source(bytes))).error);

    expect(errors).toEqual([
      expect.stringContaining('after 0 of 262144'),
      expect.stringContaining('after 8 of 12 bytes'),
    ]);

    expect(Math.max(...asked)).toBeLessThanOrEqual(65_536);
  });
});
