// SPDX-License-Identifier: Apache-2.0
// Random work for a card: frames between functions and wire, receive buffers, administration commands, waiting. A list
// of steps is plain data, so that the same work can be done twice, on another build or in the other mode.
import fc from 'fast-check';

import { frame, HEADER, macOf, NO_HEADER, BROADCAST, STRANGER } from '../../conformance/ring/support/frames.ts';
import { RawCard, type RawCardOptions } from '../../support/raw_card.ts';
import type { RawFunction, StartOptions } from '../../support/raw_function.ts';
import { WRITE } from '../../support/raw_ring.ts';
import { F } from '../../support/registers.ts';

/** PF and two VFs. */
export const FUNCTIONS = 3;
const QUEUE_SIZE = 16;
const SLOT = 2048;
const RX = 0;
const TX = 1;
/** Behind one pair and the control queue. */
const ADMIN = 3;
const ADMIN_RESULT = 24;

export type Step =
  | { readonly kind: 'send'; readonly fn: number; readonly to: number; readonly lengths: readonly number[] }
  | { readonly kind: 'arrive'; readonly to: number; readonly length: number }
  | { readonly kind: 'post'; readonly fn: number; readonly count: number }
  | { readonly kind: 'admin'; readonly opcode: number; readonly group: number; readonly member: number }
  | { readonly kind: 'wait'; readonly cycles: number };

const fn = fc.nat({ max: FUNCTIONS - 1 });
/** Functions, then broadcast and a station beyond the wire. */
const destination = fc.nat({ max: FUNCTIONS + 1 });
const length = fc.oneof(fc.integer({ min: 14, max: 100 }), fc.integer({ min: 14, max: 1518 }));

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      fn,
      to: destination,
      lengths: fc.array(length, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('arrive' as const), to: destination, length }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('post' as const), fn, count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('admin' as const),
      opcode: fc.constantFrom(0, 1, 3, 6, 0x12, 0x7fff),
      group: fc.constantFrom(0, 1, 2),
      member: fc.nat({ max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), cycles: fc.nat({ max: 3000 }) }) },
);

export const steps = (maxLength: number): fc.Arbitrary<Step[]> => fc.array(step, { minLength: 1, maxLength });

/** A card on which steps can be done. All memory is laid out at the start; later nothing is allocated. */
export class Scenario {
  readonly card: RawCard;
  readonly functions: readonly RawFunction[];
  /** Frames put in: chains sent and frames that the wire port took. */
  put = 0;
  private readonly features: readonly number[];
  private readonly txAt: number[] = [];
  private readonly rxAt: number[] = [];
  private readonly adminAt: number;

  constructor(options: RawCardOptions = {}, features: readonly number[] = []) {
    const sizes = { queueSize: QUEUE_SIZE, adminQueueSize: QUEUE_SIZE };
    const card = new RawCard({ ...sizes, numVfs: FUNCTIONS - 1, windowBytes: 1 << 20, ...options });
    this.card = card;
    this.functions = Array.from({ length: FUNCTIONS }, (_, number) => card.fn(number, 256 << 10));
    this.features = features;
    for (const [number, port] of this.functions.entries()) {
      port.start(this.options(number));
      this.txAt.push(port.space(QUEUE_SIZE * SLOT, 0));
      this.rxAt.push(port.space(QUEUE_SIZE * SLOT, 0));
    }
    this.adminAt = this.functions[0]!.space(QUEUE_SIZE * 64, 0);
  }

  /** A function from reset to DRIVER_OK on the rings it had, cleared. */
  restart(number: number): void {
    const port = this.functions[number]!;
    const rings = new Map(port.rings);
    this.card.nic.configWrite(number, 4, 2, 6);
    port.enableMsix();
    port.reset();
    for (const ring of rings.values()) ring.clear();
    const queues = Object.fromEntries([...rings].map(([index, ring]) => [index, { ring }]));
    port.start({ ...this.options(number), queues });
  }

  /** Does one step. Where a ring is full, or the wire port busy, it is left out. */
  do(work: Step): void {
    if (work.kind === 'wait') this.card.nic.advance(this.card.nic.now() + work.cycles);
    else if (work.kind === 'arrive') {
      if (this.card.nic.receiveFrame(frame(addressOf(work.to), STRANGER, work.length, this.put))) this.put++;
    } else if (work.kind === 'post') this.post(work.fn, work.count);
    else if (work.kind === 'send') this.send(work.fn, work.to, work.lengths);
    else this.admin(work.opcode, work.group, work.member);
  }

  /** Counts every driver's ring from what its memory says, after a snapshot was put back. */
  resume(): void {
    for (const port of this.functions) {
      for (const ring of port.rings.values()) ring.availIdx = port.memory.u16[(ring.places.avail + 2) >> 1]!;
    }
  }

  /** What drivers can see: their memory, rings included. */
  memory(): Buffer[] {
    return this.functions.map(({ memory }) => Buffer.from(memory.u8));
  }

  /** Everything that left the card, in order and with its time. */
  outputs(): string[] {
    const messages = this.card.messages.map(
      ({ fn: from, vector, timeCycles }) => `${timeCycles} msi ${from}.${vector}`,
    );
    const wire = this.card.wire.map(
      ({ bytes, fn: from, timeCycles }) => `${timeCycles} frame ${from} ${Buffer.from(bytes).toString('hex')}`,
    );
    return [...messages, ...wire];
  }

  private options(number: number): StartOptions {
    if (number > 0) return { features: this.features };
    return { features: [...this.features, F.ADMIN_VQ, F.SR_IOV], queues: { [RX]: {}, [TX]: {}, [ADMIN]: {} } };
  }

  private isFull(ring: { availIdx: number; usedIdx: number }, more: number): boolean {
    return ((ring.availIdx - ring.usedIdx) & 0xffff) + more > QUEUE_SIZE;
  }

  private send(from: number, to: number, lengths: readonly number[]): void {
    const port = this.functions[from]!;
    const ring = port.ring(TX);
    if (this.isFull(ring, lengths.length)) return;
    for (const bytes of lengths) {
      const slot = ring.availIdx % QUEUE_SIZE;
      const addr = this.txAt[from]! + slot * SLOT;
      const at = addr - port.memory.iova(0);
      port.memory.u8.set(NO_HEADER, at);
      port.memory.u8.set(frame(addressOf(to), macOf(from), bytes, this.put++), at + HEADER);
      ring.describe(slot, { addr, len: HEADER + bytes });
      ring.offer(slot);
    }
    port.notify(TX);
  }

  private post(to: number, count: number): void {
    const port = this.functions[to]!;
    const ring = port.ring(RX);
    if (this.isFull(ring, count)) return;
    for (let i = 0; i < count; i++) {
      const slot = ring.availIdx % QUEUE_SIZE;
      ring.describe(slot, { addr: this.rxAt[to]! + slot * SLOT, len: SLOT, flags: WRITE });
      ring.offer(slot);
    }
    port.notify(RX);
  }

  /** opcode @0, group @2, member @16, then eight bytes of data: a bitmap for LIST_USE, an offset for others. */
  private admin(opcode: number, group: number, member: number): void {
    const port = this.functions[0]!;
    const ring = port.ring(ADMIN);
    if (this.isFull(ring, 1)) return;
    const slot = (2 * ring.availIdx) % QUEUE_SIZE;
    if (((ring.availIdx - ring.usedIdx) & 0xffff) >= QUEUE_SIZE / 2) return; // two descriptors each
    const addr = this.adminAt + slot * 64;
    const word = (addr - port.memory.iova(0)) >> 2;
    port.memory.u32.set([opcode | (group << 16), 0, 0, 0, member, 0, opcode === 1 ? 0x7f : 0, 0], word);
    ring.chain(
      [
        { addr, len: 32 },
        { addr: addr + 32, len: ADMIN_RESULT, flags: WRITE },
      ],
      slot,
    );
    ring.offer(slot);
    port.notify(ADMIN);
  }
}

function addressOf(to: number): Uint8Array {
  if (to < FUNCTIONS) return macOf(to);
  return to === FUNCTIONS ? BROADCAST : Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01);
}
