// SPDX-License-Identifier: Apache-2.0
// Traffic at random on links and hosts at random: everything that was taken is given back, nothing is faster than the way it
// has to go, the same run is the same card, and order is kept (PCI Express Base 6.0 §2.4.1, §2.6.1).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import * as GEN from '../../assembly/abi/generator.ts';
import { GENERATOR } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import { enumerate } from '../../src/device/bus.ts';
import { generateTraffic, type GeneratorOperation, type GeneratorRun } from '../../src/device/generator.ts';
import { createNic, type Nic } from '../../src/device/nic.ts';
import { frame, HEADER, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { RawCard } from '../support/raw_card.ts';
import { WRITE } from '../support/raw_ring.ts';
import { F, RX, TX } from '../support/registers.ts';

/** Gen3 x8: a byte takes 65/2048 of a cycle of 4 ns. */
const BYTE = 65 / 2048;

/** Whole cycles of 4 ns, as ns. */
const cycles = (max: number): fc.Arbitrary<number> => fc.nat({ max }).map((count) => 4 * count);
/** Few, or as many as anybody could want. */
const few = (least: number): fc.Arbitrary<number> => fc.constantFrom(least, least + 1, 4 * least + 3, 1024);

const profiles = fc
  .record({
    'link.tags': few(1),
    'link.up_latency_ns': cycles(200),
    'link.down_latency_ns': cycles(200),
    'link.mps_bytes': fc.constantFrom(128, 256, 512, 4096),
    'link.mrrs_bytes': fc.constantFrom(128, 256, 512, 4096),
    'link.rcb_bytes': fc.constantFrom(64, 128),
    'credit.host_ph': few(1),
    'credit.host_pd': few(256),
    'credit.host_nph': few(1),
    'credit.host_cplh': fc.constantFrom(0, 1, 2, 64),
    'credit.host_cpld': fc.constantFrom(0, 1, 2, 64),
    'credit.card_ph': few(1),
    'credit.card_pd': few(1),
    'credit.card_nph': few(1),
    'credit.update_ns': cycles(300),
    'completion.headers': few(1),
    'completion.data': few(1),
    'host.read_latency_ns': cycles(300),
    'host.write_latency_ns': cycles(300),
    'host.extra_p999_ns': cycles(100),
    'host.extra_max_ns': cycles(2000).map((ns) => ns + 400),
    'host.seed': fc.nat({ max: 1000 }),
    'iommu.entries': fc.constantFrom(0, 1, 4, 64),
    'iommu.ways': fc.constantFrom(1, 2, 8),
    'iommu.walkers': fc.constantFrom(1, 6),
    'dma.setup_ns': cycles(40),
    'dma.read_engines': fc.constantFrom(1, 2),
    'dma.copy_gbps': fc.constantFrom(0, 40),
  })
  .chain((values) =>
    fc
      .constantFrom(...[64, 128, 256].filter((n) => n >= values['link.rcb_bytes'] && n <= values['link.mps_bytes']))
      .map((bytes): Record<string, number> => ({ ...values, 'link.completion_bytes': bytes })),
  );

const operations: readonly GeneratorOperation[] = ['read', 'write', 'readwrite', 'write-read', 'simplenic'];
const runs = fc.record({
  operation: fc.constantFrom(...operations),
  bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 4096 })),
  operations: fc.integer({ min: 1, max: 60 }),
  outstanding: fc.integer({ min: 1, max: 40 }),
  windowBytes: fc.constantFrom(8192, 1 << 18),
  isRandom: fc.boolean(),
});

const card = (profile: Record<string, number>): Nic => {
  // the debug build asserts that no credit is taken that is not there
  const nic = createNic({ totalVfs: 1, windowBytes: 1 << 18, profile }, { build: 'debug' });
  enumerate(nic);
  return nic;
};

describe('traffic on any link', () => {
  it('gives back every tag, credit and unit of room', () => {
    fc.assert(
      fc.property(profiles, runs, (profile, run) => {
        const nic = card(profile);

        generateTraffic(nic, run);
        nic.advance(nic.now() + 2000); // the last UpdateFCs: 300 cycles of interval, 200 of latency

        expect([0, 1, 2, 3, 4].map((pool) => nic.core.pins.creditsUnderWay(pool))).toEqual([0, 0, 0, 0, 0]);
        expect([CTL.TAGS_USED, CTL.CPL_HEADERS, CTL.CPL_DATA].map((at) => nic.core.u32[at >> 2])).toEqual([0, 0, 0]);
        expect(nic.nextEventTime()).toBe(Infinity);
      }),
      { seed: 41, numRuns: 80 },
    );
  });

  it('reads no faster than set-up, both links, memory and the bytes on the wire allow', () => {
    const reads = runs.map((run): GeneratorRun => ({ ...run, operation: run.isRandom ? 'read' : 'write-read' }));
    fc.assert(
      fc.property(profiles, reads, (profile, run) => {
        const { latencyCycles } = generateTraffic(card(profile), run);

        // one request of 24 bytes; completions of 20 bytes each and the data in whole dwords
        const completions = Math.ceil(run.bytes / profile['link.completion_bytes']!);
        const wire = BYTE * (24 + 20 * completions + 4 * Math.ceil(run.bytes / 4));
        const parts = ['dma.setup_ns', 'link.up_latency_ns', 'link.down_latency_ns', 'host.read_latency_ns'];
        const floor = parts.reduce((sum, name) => sum + profile[name]! / 4, wire);
        expect(latencyCycles.length).toBeGreaterThan(0);
        for (const latency of latencyCycles) expect(latency).toBeGreaterThanOrEqual(floor);
      }),
      { seed: 42, numRuns: 60 },
    );
  });

  it('is the same for the same seed', () => {
    fc.assert(
      fc.property(profiles, runs, (profile, run) => {
        const [one, other] = [card(profile), card(profile)];

        const results = [one, other].map((nic) => generateTraffic(nic, run));

        expect(results[1]).toEqual(results[0]);
        expect(other.digest()).toBe(one.digest());
      }),
      { seed: 43, numRuns: 15 },
    );
  });

  it('run(a), run(b), ... equals run(a + b + ...) while it is under way', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(profiles, runs, cuts, (profile, run, pieces) => {
        const [whole, cut] = [card(profile), card(profile)];
        for (const nic of [whole, cut]) begin(nic, run);
        const end = whole.now() + pieces.reduce((sum, piece) => sum + piece, 0);

        whole.advance(end);
        for (const piece of pieces) cut.advance(cut.now() + piece, piece % 2 === 0);
        cut.advance(end);

        expect(cut.digest()).toBe(whole.digest());
        expect(cut.linkTraffic()).toEqual(whole.linkTraffic());
      }),
      { seed: 44, numRuns: 30 },
    );
  });
});

/** Starts the generator as the PF, and leaves it under way. */
function begin(
  nic: Nic,
  { operation, bytes, operations: count, outstanding = 1, isRandom = false }: GeneratorRun,
): void {
  const IOVA = 0x1_0000_0000;
  const WINDOW = 8192;
  const READ_AND_WRITE = 3;
  const ioas = nic.allocateIoas();
  nic.mapIoas(ioas, IOVA, WINDOW, 0, READ_AND_WRITE);
  nic.attachIoas(0, ioas);
  nic.configWrite(0, 0x04, 2, 0x6);
  const { view, pins } = nic.core;
  const words: readonly (readonly [field: number, value: number])[] = [
    [GEN.OPERATION, operations.indexOf(operation)],
    [GEN.BYTES, bytes],
    [GEN.LEFT, count + outstanding],
    [GEN.IOVA + 4, IOVA / 2 ** 32],
    [GEN.WINDOW, WINDOW],
    [GEN.RANDOM, isRandom ? 1 : 0],
    [GEN.SEED, 1],
  ];
  for (const [field, value] of words) view.setUint32(GENERATOR + field, value, true);
  pins.generate(0, outstanding);
}

describe('order on any link', () => {
  it('who polls memory sees used entries and their data when the MSI-X handler runs', () => {
    const sizes = fc.array(fc.integer({ min: 14, max: 1514 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(profiles, sizes, fc.boolean(), (profile, lengths, isMergeable) => {
        const raw = new RawCard({ build: 'release', queueSize: 64, profile });
        const fn = raw.fn(0);
        fn.start({ features: isMergeable ? [F.MRG_RXBUF] : [] });
        const rx = fn.ring(RX);
        const bytes = isMergeable ? 400 : 2000;
        const space = Array.from({ length: 48 }, () => fn.space(bytes, 0));
        space.forEach((addr, i) => rx.describe(i, { addr, len: bytes, flags: WRITE }));
        rx.offer(...space.map((_, i) => i));
        fn.kick(RX);
        const sent = lengths.map((length, i) => frame(macOf(0), STRANGER, length, i));
        // 12 bytes of header, all 0 but num_buffers, in front of each frame
        const expected = sent.flatMap((one) => {
          const buffers = isMergeable ? Math.ceil((HEADER + one.length) / bytes) : 1;
          return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, buffers, 0, ...one];
        });
        const found: number[][] = [];
        raw.nic.onVector(0, RX + 1, () =>
          found.push(rx.usedSince(0).flatMap(({ id, len }) => [...fn.bytesAt(space[id]!, len)])),
        );

        for (const one of sent) while (!raw.nic.receiveFrame(one)) raw.nic.advance(raw.nic.nextEventTime());
        raw.settle();

        expect(found.length).toBeGreaterThan(0);
        for (const seen of found) expect(seen).toEqual(expected.slice(0, seen.length));
        expect(found.at(-1)).toEqual(expected); // the last interrupt is behind the last frame
      }),
      { seed: 45, numRuns: 40 },
    );
  });

  // the PF's read has the only credit until memory has answered, that of VF 1 waits for it, messages of both go on their way
  it('posted writes pass a read that waits for a non-posted credit', () => {
    const latencies = fc.record({
      up: fc.nat({ max: 200 }),
      write: fc.nat({ max: 200 }),
      memory: fc.integer({ min: 1000, max: 3000 }),
    });
    fc.assert(
      fc.property(latencies, ({ up, write, memory }) => {
        const raw = new RawCard({
          build: 'release',
          numVfs: 1,
          queueSize: 16,
          profile: {
            'credit.host_nph': 1,
            'link.up_latency_ns': 4 * up,
            'host.write_latency_ns': 4 * write,
            'host.read_latency_ns': 4 * memory,
          },
        });
        const functions = [0, 1].map((fn) => raw.fn(fn));
        for (const fn of functions) fn.start({ features: [F.STATUS] });
        const reads = (): number => raw.nic.counters()['dma_read_requests']!;
        const before = reads();
        const start = raw.nic.now();
        for (const fn of functions) fn.notify(TX);
        raw.nic.advance(start + 200);
        raw.messages.length = 0;

        raw.nic.setLink(false);
        raw.nic.advance(start + 200 + 4 + up + write);

        // configuration changes: look-up 2, 24 bytes each 0.76 and 1.52 (4 at most), the way up, effect
        expect(raw.messages.map(({ fn, vector }) => [fn, vector])).toEqual([
          [0, 0],
          [1, 0],
        ]);
        expect(reads()).toBe(before + 1);
        raw.settle();
        expect(reads()).toBe(before + 2);
      }),
      { seed: 46, numRuns: 40 },
    );
  });
});
