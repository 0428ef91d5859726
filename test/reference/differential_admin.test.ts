// SPDX-License-Identifier: Apache-2.0
// The admin queue of the card against the reference model: random commands, with any length and any room for the answer,
// while VFs come and go and the owner is reset.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  adminAnswerFault,
  expectedAdminAnswer,
  noteAdminAnswer,
  resetAdmin,
  type AdminState,
} from '../../src/reference/admin.ts';
import { makeAvailable, usedFault, type OutstandingChains } from '../../src/reference/used_ring.ts';
import { AdminQueue, type Places } from '../support/admin_queue.ts';
import { RawCard, type RawCardOptions } from '../support/raw_card.ts';
import { F, R } from '../support/registers.ts';

const RUNS = process.env.VIRTFN_REFERENCE_RUNS;
const BUDGET = RUNS === undefined ? { numRuns: 20, seed: 31 } : { numRuns: Number(RUNS) };
const TOTAL_VFS = 3;
/** Room for an answer, and bytes behind it that nobody may touch. */
const ROOM = 0x400;
const GUARD = 0xa5;

type Step =
  | { readonly kind: 'command'; readonly bytes: Uint8Array; readonly writable: number; readonly cut: number }
  | { readonly kind: 'vfs'; readonly count: number }
  | { readonly kind: 'msix'; readonly vf: number; readonly isOn: boolean }
  | { readonly kind: 'restart' }
  | { readonly kind: 'warm' };

const byte = fc.oneof(fc.constantFrom(0, 1, 2, 4, 12, 16, 18, 19, 20, 22), fc.nat({ max: 0xff }));
const word = fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 7 }) }, fc.constantFrom(0x12, 0x20, 0x8000, 0xffff));
const member = fc.oneof({ weight: 6, arbitrary: fc.nat({ max: TOTAL_VFS + 1 }) }, fc.constantFrom(0xffff, 0xffff_ffff));

/** A command with a whole header, cut or followed by whatever. */
const command: fc.Arbitrary<Uint8Array> = fc
  .record({
    opcode: word,
    group: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.constantFrom(0, 2, 0x100, 0xffff)),
    member,
    memberHigh: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.constant(1)),
    data: fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.tuple(byte, fc.nat({ max: 5 })).map(([offset, length]) => Uint8Array.of(offset, ...Array(7 + length).fill(0))),
      fc.constantFrom(Uint8Array.of(0x7f), Uint8Array.of(0x7c), Uint8Array.of(3), Uint8Array.of(0xff, 0xff)),
    ),
    length: fc.oneof({ weight: 6, arbitrary: fc.constant(64) }, fc.integer({ min: 1, max: 40 })),
  })
  .map((one) => {
    const bytes = new Uint8Array(24 + one.data.length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, one.opcode, true);
    view.setUint16(2, one.group, true);
    view.setUint32(16, one.member, true);
    view.setUint32(20, one.memberHigh, true);
    bytes.set(one.data, 24);
    return bytes.slice(0, one.length);
  });

/** Access to legacy registers as it should be, but for offset and length. */
const access: fc.Arbitrary<Step> = fc
  .record({
    opcode: fc.integer({ min: 2, max: 5 }),
    vf: fc.integer({ min: 1, max: 2 }),
    offset: fc.nat({ max: 31 }),
    length: fc.integer({ min: 1, max: 6 }),
  })
  .map(({ opcode, vf, offset, length }) => {
    const isWrite = opcode === 2 || opcode === 4;
    const bytes = new Uint8Array(24 + (isWrite ? 8 + length : 1));
    bytes.set([opcode, 0, 1], 0);
    bytes[16] = vf;
    bytes[24] = offset;
    return { kind: 'command', bytes, writable: isWrite ? 8 : 8 + length, cut: 0 };
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: access },
  { weight: 2, arbitrary: fc.constant({ kind: 'warm' as const }) },
  {
    weight: 12,
    arbitrary: fc
      .record({
        bytes: command,
        writable: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(8, 9, 10, 12, 16, 72, 80) }, fc.nat({ max: 20 })),
        cut: fc.nat({ max: 30 }),
      })
      .map((one) => ({ kind: 'command' as const, ...one })),
  },
  { weight: 1, arbitrary: fc.nat({ max: TOTAL_VFS }).map((count) => ({ kind: 'vfs' as const, count })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: TOTAL_VFS }), fc.boolean())
      .map(([vf, isOn]) => ({ kind: 'msix' as const, vf, isOn })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

/** An admin queue of 8 descriptors, its vector 1. */
function adminQueue(options: RawCardOptions): AdminQueue {
  const card = new RawCard({ totalVfs: TOTAL_VFS, build: 'release', ...options });
  return new AdminQueue(card, { size: 8, features: [F.RING_RESET], vector: 1 });
}

class Pair {
  private readonly admin: AdminQueue;
  private readonly places: Places;
  private readonly state: AdminState;
  private readonly msix = new Set<number>();
  private readonly chains: OutstandingChains = new Map();

  constructor(mode: 'timed' | 'functional', lenientSriovLists: boolean) {
    this.admin = adminQueue({ mode, lenientSriovLists });
    const { memory } = this.admin.pf;
    this.places = { readable: memory.alloc(64, 8), writable: memory.alloc(ROOM, 8) };
    this.state = {
      self: { supported: 0b11, used: null },
      sriov: { supported: 0b111_1111, used: null },
      isVfEnabled: false,
      numVfs: 0,
      lenientSriovLists,
      hasMsix: (vf) => this.msix.has(vf),
      notify: { bar: 2, offset: 0x3000 }, // decision 0001
    };
    this.restart();
  }

  apply(one: Step): string | null {
    if (one.kind === 'command') return this.run(one.bytes, one.writable, one.cut);
    if (one.kind === 'restart') this.restart();
    else if (one.kind === 'warm') this.warmUp();
    else if (one.kind === 'vfs') this.setVfs(one.count);
    else if (one.vf <= this.state.numVfs) {
      this.admin.card.nic.configWrite(one.vf, 0x4a, 2, one.isOn ? 0x8000 : 0); // MSI-X Enable
      if (one.isOn) this.msix.add(one.vf);
      else this.msix.delete(one.vf);
    }
    return null;
  }

  /** VFs, and all commands in use, so that commands get as far as their execution. */
  private warmUp(): void {
    this.restart();
    this.setVfs(2);
    const use = Uint8Array.of(1, 0, 1, 0, ...Array(20).fill(0), 0x7f);
    if (this.run(use, 8, 0) !== null) throw new Error('the card does not take the list of all its commands');
  }

  private setVfs(count: number): void {
    const { card } = this.admin;
    card.disableVfs();
    if (count > 0) card.enableVfs(count);
    this.state.isVfEnabled = count > 0;
    this.state.numVfs = count;
    this.msix.clear();
  }

  private restart(): void {
    this.admin.start();
    resetAdmin(this.state);
    this.chains.clear();
  }

  private run(bytes: Uint8Array, writableBytes: number, cut: number): string | null {
    const { admin, places } = this;
    const answer = expectedAdminAnswer(bytes, writableBytes, this.state);
    admin.pf.memory.u8.fill(GUARD, places.writable, places.writable + ROOM);
    const cuts = { readable: [Math.min(cut, bytes.length)], writable: [Math.min(cut, writableBytes)] };
    const pending = admin.add(bytes, writableBytes, cuts, places);
    makeAvailable(this.chains, pending.head, writableBytes);
    admin.kick();
    const [used] = admin.ring.takeUsed();
    const mustStop = answer.outcomes.length === 0;
    if (mustStop !== admin.pf.needsReset) return `device_status 0x${admin.pf.status.toString(16)}`;
    if (mustStop) {
      this.restart();
      return used === undefined ? null : 'a used element, although the device stopped';
    }
    if (used === undefined) return 'no answer';
    const fault = usedFault(this.chains, used.id, used.length);
    if (fault !== null) return fault;
    const behind = admin.pf.memory.u8.subarray(places.writable + used.length, places.writable + ROOM);
    if (!behind.every((value) => value === GUARD)) return 'bytes behind the answer were written';
    const seen = admin.answer(pending, used);
    noteAdminAnswer(this.state, bytes, seen.status[0]!);
    return adminAnswerFault(answer, seen.bytes, seen.length);
  }
}

describe.each([
  { mode: 'functional', isLenient: true },
  { mode: 'functional', isLenient: false },
  { mode: 'timed', isLenient: true },
] as const)('$mode card, lists without VFs: $isLenient', ({ mode, isLenient }) => {
  it('answers every command as the model allows', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 250, size: 'max' }), (steps) => {
        const pair = new Pair(mode, isLenient);
        for (const one of steps) expect(pair.apply(one)).toBeNull();
      }),
      BUDGET,
    );
  });
});

it('a notification that was pending before queue_reset does not come after it (CARD-06)', () => {
  const admin = adminQueue({ mode: 'functional' });
  admin.pf.path.configWrite(0x4a, 2, 0x8000); // MSI-X Enable
  admin.send([0], 16);
  expect(admin.pf.pending()).toBe(0b10);

  admin.pf.setQueue(admin.index, R.QUEUE_RESET, 1);
  admin.pf.maskVector(1, false);

  expect(admin.card.messages).toEqual([]);
});
