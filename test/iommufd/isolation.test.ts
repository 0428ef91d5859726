// SPDX-License-Identifier: Apache-2.0
// No function reads or writes outside of what it is attached to, whatever is attached, detached and unmapped while it is
// at work in simulated time. VIRTFN_IOMMUFD_RUNS sets the number of sequences.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { GENERATOR, GENERATOR_BUFFER } from '../../assembly/abi/state_map.ts';
import * as GEN from '../../assembly/abi/generator.ts';
import { DEFAULT_IOVA_BASE } from '../../src/iommufd/dma_buffer.ts';
import { BROADCAST, frame, macOf, packet } from '../conformance/ring/support/frames.ts';
import { WRITE } from '../support/raw_ring.ts';
import { IommufdBench, PAGE } from './support/bench.ts';
import { RX, TX } from '../support/registers.ts';

const RUNS = Math.ceil(Number(process.env['VIRTFN_IOMMUFD_RUNS'] ?? 100) / 5);
const RW = { read: true, write: true } as const;

/** Pages of the window that differ from an image. */
function changedPages(window: Uint8Array, image: Uint8Array): number[] {
  const changed: number[] = [];
  for (let at = 0; at < window.length; at += PAGE) {
    if (Buffer.compare(window.subarray(at, at + PAGE), image.subarray(at, at + PAGE)) !== 0) changed.push(at / PAGE);
  }
  return changed;
}

describe('traffic of one function after the other, each byte with the name of its writer', () => {
  const PAGES = 16;
  const SPACES = 3;
  /** Bytes that are no page's number: those of the three writers, and of a buffer that nothing was read into. */
  const NAMES = new Set([0xa0, 0xa1, 0xa2, 0xee]);
  const SOURCES = [
    { fn: 1, pasid: null },
    { fn: 2, pasid: null },
    { fn: 3, pasid: 5 }, // VF 3 in the place of a PASID of VF 1
  ] as const;
  const step = fc.oneof(
    fc.record({
      op: fc.constant('traffic' as const),
      source: fc.nat(2),
      kind: fc.constantFrom('read' as const, 'write' as const),
    }),
    fc.record({ op: fc.constant('run' as const), cycles: fc.nat(800) }),
    fc.record({ op: fc.constant('attach' as const), source: fc.nat(2), space: fc.nat(SPACES - 1) }),
    fc.record({ op: fc.constant('detach' as const), source: fc.nat(2) }),
    fc.record({
      op: fc.constant('map' as const),
      space: fc.nat(SPACES - 1),
      page: fc.nat(PAGES - 1),
      write: fc.boolean(),
    }),
    fc.record({ op: fc.constant('unmap' as const), space: fc.nat(SPACES - 1), page: fc.nat(PAGES - 1) }),
  );

  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

  it.each([
    ['without IO-TLB', {}],
    ['with a small IO-TLB', { 'iommu.entries': 8, 'iommu.ways': 2 }],
  ])('%s', (_, profile) => {
    let touched = 0;
    let faults = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 50 }), (steps) => {
        const bench = new IommufdBench(3, { mode: 'timed', profile });
        const { context, nic } = bench;
        bench.numberPages();
        const devices = [bench.bind(1), bench.bind(2)];
        const spaces = Array.from({ length: SPACES }, () => context.ioasAlloc());
        const tables = spaces.map((pt) => context.hwptAlloc({ device: devices[0]!.id, pt, pasid: true }));
        // what is mapped (page of the window, writable) and who is attached: the whole reference
        const mapped = spaces.map(() => new Map<number, boolean>());
        const attached: (number | null)[] = [null, null, null];
        const memoryOf = (space: number, page: number): number => space * PAGES + page;
        const reach = (source: number, needsWrite: boolean): Set<number> => {
          const space = attached[source]!;
          if (space === null) return new Set();
          const pages = [...mapped[space]!].filter(([, write]) => write || !needsWrite);
          return new Set(pages.map(([page]) => memoryOf(space, page)));
        };
        for (let space = 0; space < SPACES; space++) {
          for (let page = space; page < PAGES; page += 2) apply({ op: 'map', space, page, write: true });
        }
        let active = 0;
        let kind = 'write';
        const window = bench.window(0, nic.config.windowBytes);
        const buffer = nic.core.u8.subarray(GENERATOR_BUFFER, GENERATOR_BUFFER + 128);

        function apply(now: Step): void {
          switch (now.op) {
            case 'traffic': {
              nic.core.view.setUint32(GENERATOR + GEN.LEFT, 0, true);
              nic.runToIdle();
              active = now.source;
              kind = now.kind;
              buffer.fill(0xa0 + active);
              const options = { length: 128, bytesInAll: PAGES * PAGE, count: 1_000_000, outstanding: 12 };
              bench.start(SOURCES[active]!.fn, now.kind, 0, options);
              return;
            }
            case 'run':
              nic.advance(nic.now() + now.cycles);
              return;
            case 'attach': {
              const { fn, pasid } = SOURCES[now.source]!;
              const device = devices[now.source % 2]!;
              const isAttached = attached[now.source] !== null;
              const pt = tables[now.space]!;
              if (pasid === null) device[isAttached ? 'replace' : 'attach'](pt);
              else if (isAttached) device.replacePasid(pasid, pt);
              else device.attachPasid(bench.pasidPort(fn, device.requesterId, pasid), pt);
              attached[now.source] = now.space;
              return;
            }
            case 'detach': {
              const device = devices[now.source % 2]!;
              const { pasid } = SOURCES[now.source]!;
              if (pasid === null) device.detach();
              else device.detachPasid(pasid);
              attached[now.source] = null;
              return;
            }
            case 'map':
              if (mapped[now.space]!.has(now.page)) return;
              context.ioasMap(spaces[now.space]!, {
                iova: now.page * PAGE,
                length: PAGE,
                source: { window: memoryOf(now.space, now.page) * PAGE },
                read: true,
                write: now.write,
              });
              mapped[now.space]!.set(now.page, now.write);
              return;
            case 'unmap':
              if (!mapped[now.space]!.delete(now.page)) return;
              context.ioasUnmap(spaces[now.space]!, now.page * PAGE, PAGE);
          }
        }

        for (const now of steps) {
          const image = window.slice();
          const before = reach(active, kind === 'write');
          const writer = 0xa0 + active;
          const reader = kind === 'read';
          if (reader) buffer.fill(0xee);
          const former = active;
          apply(now);
          // what was under way when the step began may have come until it ended, what came in it too
          const after = former === active ? reach(active, kind === 'write') : new Set<number>();
          const changed = changedPages(window, image);
          touched += changed.length;
          const isOwn = (page: number): boolean => before.has(page) || after.has(page);
          if (reader) {
            expect(changed).toEqual([]);
            if (now.op !== 'traffic') {
              const foreign = buffer.filter((byte) => !NAMES.has(byte) && !isOwn(byte - 1));
              expect([...foreign]).toEqual([]);
            }
          } else {
            expect(changed.filter((page) => !isOwn(page))).toEqual([]);
            for (const page of changed) {
              const bytes = window.subarray(page * PAGE, (page + 1) * PAGE);
              const old = image.subarray(page * PAGE, (page + 1) * PAGE);
              expect(bytes.every((byte, i) => byte === old[i] || byte === writer)).toBe(true);
            }
          }
          for (const { device, pasid } of context.takeFaults().faults) {
            faults++;
            // nobody but the one at work can have had a fault, and it is called by its name
            const index = SOURCES.findIndex((one, i) => devices[i % 2] === device && one.pasid === pasid);
            expect([former, active]).toContain(index);
          }
        }
        nic.core.view.setUint32(GENERATOR + GEN.LEFT, 0, true);
        nic.runToIdle();
        context.close();
        expect([context.objectCount, nic.iommu.allocated(), nic.iommu.poolUsed()]).toEqual([0, 0, 0]);
      }),
      { seed: 77, numRuns: RUNS },
    );
    expect(touched).toBeGreaterThan(RUNS);
    expect(faults).toBeGreaterThan(RUNS);
  });
});

describe('rings of several VFs at the same time', () => {
  const VFS = [1, 2, 3];
  const step = fc.record({
    vf: fc.constantFrom(...VFS),
    change: fc.constantFrom('own', 'decoy', 'none', 'unmap'),
    cycles: fc.nat(1500),
  });

  it('are read and written where they are mapped, and nowhere else', () => {
    let frames = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 8, maxLength: 20 }), (steps) => {
        const bench = new IommufdBench(3, { mode: 'timed', windowBytes: 2 << 20, queueSize: 16 });
        const { card, context, nic } = bench;
        const window = bench.window(0, nic.config.windowBytes);
        const bytes = 192 << 10;
        const decoyAt = nic.config.windowBytes - bytes;
        window.fill(0xc5);
        const vfs = VFS.map((vf) => {
          const fn = card.fn(vf, bytes);
          const own = fn.memory.iova(0) - DEFAULT_IOVA_BASE; // offset in the window
          fn.memory.u8.fill(0);
          const device = bench.bind(vf);
          const [ioas, decoy] = [context.ioasAlloc(), context.ioasAlloc()];
          context.ioasMap(ioas, { iova: fn.memory.iova(0), length: bytes, source: { window: own }, ...RW });
          context.ioasMap(decoy, { iova: fn.memory.iova(0), length: bytes, source: { window: decoyAt }, ...RW });
          device.attach(ioas);
          return { fn, own, device, ioas, decoy, at: 'own' as string };
        });
        const reach = (): Set<number> =>
          new Set(
            vfs.flatMap(({ own, at }) => {
              if (at === 'none' || at === 'unmap') return [];
              const first = (at === 'own' ? own : decoyAt) / PAGE;
              return Array.from({ length: bytes / PAGE }, (_, i) => first + i);
            }),
          );

        for (const { vf, change, cycles } of steps) {
          for (const one of vfs) if (one.at === 'own') restart(one.fn);
          for (const { fn, at } of vfs) if (at === 'own') fn.notify(TX);
          const image = window.slice();
          const before = reach();
          nic.advance(nic.now() + cycles);
          const one = vfs[vf - 1]!;
          if (one.at === 'unmap') {
            const source = { window: one.own };
            context.ioasMap(one.ioas, { iova: one.fn.memory.iova(0), length: bytes, source, ...RW });
          }
          if (change === 'none') one.device.detach();
          else {
            const pt = change === 'decoy' ? one.decoy : one.ioas;
            if (one.device.attached === null) one.device.attach(pt);
            else one.device.replace(pt);
            if (change === 'unmap') context.ioasUnmapAll(one.ioas);
          }
          one.at = change;
          const middle = window.slice();
          const after = reach();
          const both = new Set([...before, ...after]);
          expect(changedPages(window, image).filter((page) => !both.has(page))).toEqual([]);
          card.settle();
          expect(changedPages(window, middle).filter((page) => !after.has(page))).toEqual([]);
          for (const { device } of context.takeFaults().faults)
            expect(vfs.map((each) => each.device)).toContain(device);
        }
        frames += card.wire.length;
      }),
      { seed: 78, numRuns: RUNS },
    );
    expect(frames).toBeGreaterThan(RUNS);
  });

  /** New rings: buffers to receive into, and a frame for everybody, offered and not yet notified. */
  function restart(fn: ReturnType<IommufdBench['card']['fn']>): void {
    fn.start();
    const [rx, tx] = [fn.ring(RX), fn.ring(TX)];
    for (let i = 0; i < 4; i++) rx.describe(i, { addr: fn.space(200), len: 200, flags: WRITE });
    rx.offer(0, 1, 2, 3);
    fn.notify(RX);
    const sent = packet(frame(BROADCAST, macOf(fn.fn)));
    tx.describe(0, { addr: fn.place(sent), len: sent.length });
    tx.offer(0);
  }
});
