// SPDX-License-Identifier: Apache-2.0
// One operation on a card at rest, with its times in cycles of 4 ns from the moment at which the host began it.
import type { AdminRecord } from '../../../src/device/admin_record.ts';
import type { ProfileOverrides } from '../../../src/device/profile.ts';
import { frame, HEADER, macOf, packet, STRANGER } from '../../conformance/ring/support/frames.ts';
import { RawCard } from '../../support/raw_card.ts';
import type { RawFunction } from '../../support/raw_function.ts';
import { WRITE, type RawRing } from '../../support/raw_ring.ts';
import { F } from '../../support/registers.ts';

const ADMIN = 3;

export interface Bench {
  readonly card: RawCard;
  readonly fn: RawFunction;
}

export function bench(profile: ProfileOverrides = {}, features: readonly number[] = []): Bench {
  const card = new RawCard({ profile, numVfs: 1, traceAdmin: true });
  const fn = card.fn(0);
  fn.start({ features: [F.ADMIN_VQ, F.SR_IOV, ...features], queues: { 0: {}, 1: {}, [ADMIN]: {} } });
  return { card, fn };
}

/** Runs event by event until the card is at rest; returns when the used index of `ring` moved. */
export function runToUsed({ card }: Bench, ring: RawRing, start: number): number {
  const before = ring.usedIdx;
  let used = -1;
  while (card.nic.nextEventTime() !== Infinity) {
    card.nic.advance(card.nic.nextEventTime());
    if (used < 0 && ring.usedIdx !== before) used = card.nic.now() - start;
  }
  return used;
}

export const PHASES = [
  'doorbellArrived',
  'visited',
  'indexRead',
  'ringRead',
  'started',
  'descriptorsKnown',
  'dataKnown',
  'executing',
  'executed',
  'writtenBack',
  'notified',
] as const satisfies readonly (keyof AdminRecord)[];

export type Phases = Record<(typeof PHASES)[number], number>;

/** LIST_QUERY of the SR-IOV group: 24 bytes to read and 16 to write, a descriptor each. Times of its life, and of its use. */
export function adminCommand(at: Bench): { times: Phases; usedAt: number; record: AdminRecord } {
  const { card, fn } = at;
  const ring = fn.ring(ADMIN);
  const records: AdminRecord[] = [];
  card.nic.onAdminCommand((record) => records.push(record));
  const command = Uint8Array.of(0, 0, 1, 0, ...new Uint8Array(20));
  ring.offer(
    ring.chain([
      { addr: fn.place(command, 8), len: 24 },
      { addr: fn.space(16), len: 16, flags: WRITE },
    ]),
  );
  const start = card.nic.now();
  fn.notify(ADMIN);
  const usedAt = runToUsed(at, ring, start);
  const [record] = records;
  if (record === undefined || records.length > 1) throw new Error(`${records.length} records of one command`);
  const times = Object.fromEntries(PHASES.map((phase) => [phase, record[phase] - start])) as Phases;
  return { times, usedAt, record };
}

/** A frame of 64 bytes out of one descriptor: when it leaves, is used, is notified. */
export function transmit(at: Bench, to: Uint8Array = STRANGER): { wire: number; used: number; msi: number } {
  const { card, fn } = at;
  const ring = fn.ring(1);
  const sent = packet(frame(to, macOf(0), 64));
  ring.offer(ring.chain([{ addr: fn.place(sent, 4), len: sent.length }]));
  const start = card.nic.now();
  const before = card.messages.length;
  fn.notify(1);
  const used = runToUsed(at, ring, start);
  const msi = card.messages.slice(before).find(({ fn: from, vector }) => from === 0 && vector === 2)!;
  return { wire: (card.wire.at(-1)?.timeCycles ?? Number.NaN) - start, used, msi: msi.timeCycles - start };
}

/** A frame of 64 bytes from the wire into a posted buffer of one descriptor: when it is used, and notified. */
export function receive(at: Bench): { used: number; msi: number } {
  const { card, fn } = at;
  const ring = fn.ring(0);
  ring.offer(ring.chain([{ addr: fn.space(HEADER + 64), len: HEADER + 64, flags: WRITE }]));
  fn.kick(0);
  const start = card.nic.now();
  const before = card.messages.length;
  card.nic.receiveFrame(frame(macOf(0), STRANGER, 64));
  const used = runToUsed(at, ring, start);
  return { used, msi: card.messages[before]!.timeCycles - start };
}
