// SPDX-License-Identifier: Apache-2.0
// Random sequences of every operation against the reference model: the same errno and results, the same memory behind
// every page of every function, and nothing left at the end. VIRTFN_IOMMUFD_RUNS sets the number of sequences.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { IommufdAccess } from '../../src/iommufd/access.ts';
import type { IommufdDevice } from '../../src/iommufd/device.ts';
import { errno, IommufdBench, PAGE } from './support/bench.ts';
import { Model, type Answer } from './support/model.ts';

const RUNS = Number(process.env['VIRTFN_IOMMUFD_RUNS'] ?? 100);
const PAGES = 16;
const MEMORY = 32;
const PASID = 5;
const NOBODY = 4711;
/** Functions behind device and PASID: VF 1, VF 2, and VF 3 in the place of a PASID of VF 1. */
const SOURCES = [
  { fn: 1, device: 0, pasid: null },
  { fn: 2, device: 1, pasid: null },
  { fn: 3, device: 0, pasid: PASID },
] as const;

const page = fc.nat(PAGES - 1);
const size = fc.integer({ min: 1, max: 5 });
const pick = fc.nat(999);
const flag = fc.boolean();
const maybePage = fc.oneof({ weight: 3, arbitrary: page }, { weight: 1, arbitrary: fc.constant(null) });
const source = fc.nat(SOURCES.length - 1);

/** One operation; `pick`s choose objects, of the right kind mostly. */
const operation = fc.oneof(
  fc.record({ op: fc.constant('ioasAlloc' as const) }),
  fc.record({
    op: fc.constant('map' as const),
    ioas: pick,
    at: maybePage,
    size,
    memory: page,
    read: flag,
    write: flag,
  }),
  fc.record({
    op: fc.constant('map' as const),
    ioas: pick,
    at: page,
    size,
    memory: page,
    read: fc.constant(true),
    write: flag,
  }),
  fc.record({
    op: fc.constant('copy' as const),
    to: pick,
    ioas: pick,
    from: page,
    at: maybePage,
    size,
    read: flag,
    write: flag,
  }),
  fc.record({ op: fc.constant('unmap' as const), ioas: pick, at: page, size: fc.integer({ min: 1, max: 16 }) }),
  fc.record({ op: fc.constant('destroy' as const), id: pick }),
  fc.record({ op: fc.constant('hwptAlloc' as const), device: pick, pt: pick, pasid: flag }),
  fc.record({ op: fc.constant('attach' as const), source, pt: pick }),
  fc.record({ op: fc.constant('replace' as const), source, pt: pick }),
  fc.record({ op: fc.constant('detach' as const), source }),
  fc.record({ op: fc.constant('accessAttach' as const), access: fc.nat(1), ioas: pick }),
  fc.record({ op: fc.constant('accessReplace' as const), access: fc.nat(1), ioas: pick }),
  fc.record({ op: fc.constant('accessDetach' as const), access: fc.nat(1) }),
  fc.record({ op: fc.constant('pin' as const), access: fc.nat(1), at: page, size, write: flag }),
  fc.record({ op: fc.constant('unpin' as const), access: fc.nat(1), at: page, size }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

class Pair {
  readonly bench: IommufdBench;
  readonly model = new Model();
  readonly devices: IommufdDevice[];
  readonly accesses: IommufdAccess[];

  constructor(mode: 'functional' | 'timed') {
    this.bench = new IommufdBench(3, { mode });
    this.bench.numberPages();
    this.devices = [1, 2].map((fn) => {
      this.model.add({ kind: 'device', main: null, pasids: new Map() });
      return this.bench.bind(fn);
    });
    this.accesses = [true, false].map((letsGo) => {
      const id = this.model.add({ kind: 'access', ioas: null, letsGo, pins: [] });
      const access: IommufdAccess = this.bench.context.createAccess({
        unmap: (iova, length) => {
          if (!letsGo) return;
          // the model has not yet let go when this one is asked
          for (const pin of this.model.pinsOf(id)) {
            const [at, bytes] = [pin.iova * PAGE, pin.pages * PAGE];
            if (at < iova + length && iova < at + bytes) access.unpinPages(at, bytes);
          }
        },
      });
      return access;
    });
  }

  /** An object for a number: mostly one of the kinds, sometimes any, sometimes none. */
  choose(number: number, ...kinds: ('ioas' | 'hwpt' | 'device')[]): number {
    const right = kinds.flatMap((kind) => this.model.ids(kind));
    const all = [...this.model.objects.keys(), NOBODY];
    const among = number % 8 === 0 || right.length === 0 ? all : right;
    return among[Math.floor(number / 8) % among.length]!;
  }

  /** What the card and the model answer. */
  step(step: Operation): readonly [Answer, Answer] {
    const { model } = this;
    const { context } = this.bench;
    const both = (real: () => unknown, ideal: () => Answer | void): readonly [Answer, Answer] => [
      errno(real) as Answer,
      model.answer(ideal),
    ];
    const pages = (bytes: number): number => bytes / PAGE;
    switch (step.op) {
      case 'ioasAlloc':
        return both(
          () => context.ioasAlloc(),
          () => model.add({ kind: 'ioas', areas: [] }),
        );
      case 'map': {
        const ioas = this.choose(step.ioas, 'ioas');
        const { at, size: count, memory, read, write } = step;
        const place = at === null ? {} : { iova: at * PAGE };
        const map = { ...place, length: count * PAGE, source: { window: memory * PAGE }, read, write };
        return both(
          () => pages(context.ioasMap(ioas, map)),
          () => model.map(ioas, at, count, memory, { read, write }),
        );
      }
      case 'copy': {
        const [to, srcIoas] = [this.choose(step.to, 'ioas'), this.choose(step.ioas, 'ioas')];
        const { at, from, size: count, read, write } = step;
        const place = at === null ? {} : { dstIova: at * PAGE };
        const copy = { ...place, srcIoas, srcIova: from * PAGE, length: count * PAGE, read, write };
        return both(
          () => pages(context.ioasCopy(to, copy)),
          () => model.copy(to, srcIoas, from, count, at, { read, write }),
        );
      }
      case 'unmap': {
        const ioas = this.choose(step.ioas, 'ioas');
        return both(
          () => pages(context.ioasUnmap(ioas, step.at * PAGE, step.size * PAGE)),
          () => model.unmap(ioas, step.at, step.size),
        );
      }
      case 'destroy': {
        const id = this.choose(step.id, 'ioas', 'hwpt');
        return both(
          () => context.destroy(id),
          () => model.destroy(id),
        );
      }
      case 'hwptAlloc': {
        const [device, pt] = [this.choose(step.device, 'device'), this.choose(step.pt, 'ioas')];
        return both(
          () => context.hwptAlloc({ device, pt, pasid: step.pasid }),
          () => model.hwptAlloc(device, pt, step.pasid),
        );
      }
      case 'attach':
      case 'replace':
        return this.attach(step.op, SOURCES[step.source]!, this.choose(step.pt, 'ioas', 'hwpt'));
      case 'detach': {
        const { device: index, pasid } = SOURCES[step.source]!;
        const device = this.devices[index]!;
        return both(
          () => (pasid === null ? device.detach() : device.detachPasid(pasid)),
          () => model.detach(device.id, pasid),
        );
      }
      case 'accessAttach':
      case 'accessReplace': {
        const access = this.accesses[step.access]!;
        const ioas = this.choose(step.ioas, 'ioas');
        const isAttach = step.op === 'accessAttach';
        return both(
          () => (isAttach ? access.attach(ioas) : access.replace(ioas)),
          () => (isAttach ? model.accessAttach(access.id, ioas) : model.accessReplace(access.id, ioas)),
        );
      }
      case 'accessDetach': {
        const access = this.accesses[step.access]!;
        return both(
          () => access.detach(),
          () => model.accessReplace(access.id, null),
        );
      }
      case 'pin': {
        const access = this.accesses[step.access]!;
        return both(
          () => access.pinPages(step.at * PAGE, step.size * PAGE, { write: step.write }).length,
          () => model.pin(access.id, step.at, step.size, step.write),
        );
      }
      case 'unpin': {
        const access = this.accesses[step.access]!;
        return both(
          () => access.unpinPages(step.at * PAGE, step.size * PAGE),
          () => model.unpin(access.id, step.at, step.size),
        );
      }
    }
  }

  private attach(op: 'attach' | 'replace', { fn, device: index, pasid }: (typeof SOURCES)[number], pt: number) {
    const device = this.devices[index]!;
    const port = this.bench.pasidPort(fn, device.requesterId, pasid);
    const real = (): number => {
      if (pasid === null) return device[op](pt);
      return op === 'attach' ? device.attachPasid(port, pt) : device.replacePasid(pasid, pt);
    };
    return [errno(real), this.model.answer(() => this.model[op](device.id, pasid, pt))] as const;
  }

  /** Memory page behind each page of addresses, by reading (what is there says which page it is) and in the model. */
  seen(): readonly [unknown, unknown] {
    const addresses = Array.from({ length: PAGES + 5 }, (_, n) => n);
    const real = SOURCES.map(({ fn }) =>
      addresses.map((n) => {
        const bytes = this.bench.read(fn, n * PAGE + PAGE - 8, 8);
        return bytes === null ? null : bytes[0]! - 1;
      }),
    );
    const ideal = SOURCES.map(({ device, pasid }) =>
      addresses.map((n) => this.model.translate(this.devices[device]!.id, pasid, n, 'read')),
    );
    return [real, ideal];
  }

  /** The same by writing the number that the page has anyway. */
  writable(): readonly [unknown, unknown] {
    const addresses = Array.from({ length: PAGES }, (_, n) => n);
    const memoryOf = ({ device, pasid }: (typeof SOURCES)[number], n: number): number | null =>
      this.model.translate(this.devices[device]!.id, pasid, n, 'write');
    const real = SOURCES.map((at) =>
      addresses.map((n) => this.bench.write(at.fn, n * PAGE, (memoryOf(at, n) ?? 0xfe) + 1, 16)),
    );
    const ideal = SOURCES.map((at) => addresses.map((n) => memoryOf(at, n) !== null));
    return [real, ideal];
  }

  /** Everything goes; what is left. */
  tearDown(): readonly unknown[] {
    for (const access of this.accesses) {
      for (const { iova, pages } of this.model.pinsOf(access.id).slice()) {
        access.unpinPages(iova * PAGE, pages * PAGE);
        this.model.unpin(access.id, iova, pages);
      }
    }
    this.bench.context.close();
    const { context, nic } = this.bench;
    const reached = SOURCES.filter(({ fn }) => this.bench.read(fn, 0) !== null);
    return [context.objectCount, nic.iommu.allocated(), nic.iommu.poolUsed(), reached.length];
  }
}

describe.each(['functional', 'timed'] as const)('in %s mode', (mode) => {
  it('any sequence has the errno, the translations and the end of the model', () => {
    const numRuns = mode === 'functional' ? RUNS : Math.ceil(RUNS / 5);
    const answers = new Set<Answer>();
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (steps) => {
        const pair = new Pair(mode);
        // two IOASes with a page table for PASIDs each, the first with two mappings which accesses pin
        const start: Operation[] = [
          { op: 'ioasAlloc' },
          { op: 'ioasAlloc' },
          { op: 'map', ioas: 1, at: 0, size: 4, memory: 7, read: true, write: true },
          { op: 'map', ioas: 1, at: 4, size: 3, memory: 2, read: true, write: false },
          { op: 'hwptAlloc', device: 1, pt: 1, pasid: true },
          { op: 'hwptAlloc', device: 1, pt: 9, pasid: true },
          { op: 'accessAttach', access: 0, ioas: 1 },
          { op: 'accessAttach', access: 1, ioas: 1 },
          { op: 'attach', source: 2, pt: 17 },
          { op: 'pin', access: 1, at: 0, size: 2, write: true },
        ];
        for (const step of [...start, ...steps]) {
          const [real, ideal] = pair.step(step);
          expect([step, real]).toEqual([step, ideal]);
          answers.add(typeof real === 'string' ? real : 'source' in step ? `${step.op} ${step.source}` : step.op);
          // what is refused changes nothing, but for an unmap that comes half way
          if (typeof real === 'string' && step.op !== 'unmap') continue;
          const [seen, expected] = pair.seen();
          expect(JSON.stringify(seen)).toBe(JSON.stringify(expected));
        }
        expect(pair.bench.context.objectCount).toBe(pair.model.objects.size);
        const [written, writable] = pair.writable();
        expect(written).toEqual(writable);
        for (let n = 0; n < MEMORY; n++) expect(pair.bench.window(n * PAGE, PAGE).every((b) => b === n + 1)).toBe(true);
        expect(pair.tearDown()).toEqual([0, 0, 0, 0]);
      }),
      { seed: 2026, numRuns },
    );
    if (numRuns < 100) return;
    // the sequences are worth something: every operation succeeded, with a PASID too, and every errno of them came
    const errors = ['ENOENT', 'EINVAL', 'EEXIST', 'EBUSY', 'EPERM', 'EDEADLK', 'EOPNOTSUPP'];
    const done = ['map', 'copy', 'unmap', 'destroy', 'hwptAlloc', 'accessReplace', 'pin', 'unpin'];
    const attached = ['attach 0', 'attach 1', 'attach 2', 'replace 0', 'replace 1', 'replace 2', 'detach 2'];
    expect([...answers]).toEqual(expect.arrayContaining([...errors, ...done, ...attached]));
  });
});
