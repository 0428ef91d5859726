// SPDX-License-Identifier: Apache-2.0
// A network function on raw rings: frames out, buffers in, packets as the used ring tells them, control commands.
// virtio 1.4 §5.1.2 (queues), §5.1.6 (header), §5.1.6.5 (control queue).
import { HEADER, NO_HEADER, packet } from '../../ring/support/frames.ts';
import type { RawCard } from '../../../support/raw_card.ts';
import type { RawFunction } from '../../../support/raw_function.ts';
import { WRITE, type RawRing } from '../../../support/raw_ring.ts';
import { F } from '../../../support/registers.ts';

export interface PortOptions {
  readonly features?: readonly number[];
  /** Queue pairs to enable. */
  readonly pairs?: number;
  /** Index of the control queue to enable; default none. */
  readonly control?: number;
}

/** A packet taken from the used ring of a receive queue. */
export interface Packet {
  readonly header: Uint8Array;
  readonly frame: Uint8Array;
  /** Used length of each of its buffers. */
  readonly lengths: readonly number[];
}

const SLOT_BYTES = 2048;
const SLOTS = 16;
const ACK_UNTOUCHED = 0xa5;

/** One function with its queues enabled. */
export class Port {
  readonly fn: RawFunction;
  readonly card: RawCard;
  readonly mac: Uint8Array;
  private readonly isMergeable: boolean;
  private readonly control: number;
  private readonly txSlots: number;
  private readonly taken = new Map<RawRing, number>();
  private readonly buffers = new Map<RawRing, Map<number, { addr: number; len: number }>>();

  constructor(card: RawCard, fn: number, options: PortOptions = {}) {
    const { features = [], pairs = 1, control } = options;
    this.card = card;
    this.fn = card.fn(fn);
    this.isMergeable = features.includes(F.MRG_RXBUF);
    this.control = control ?? -1;
    const queues: Record<number, object> = {};
    for (let queue = 0; queue < 2 * pairs; queue++) queues[queue] = {};
    if (control !== undefined) queues[control] = {};
    this.fn.start({ features, queues });
    this.mac = this.fn.mac;
    this.txSlots = this.fn.space(SLOTS * SLOT_BYTES);
  }

  /** Sends a frame and waits until the card is at rest. */
  send(bytes: Uint8Array, header: Uint8Array = NO_HEADER, pair = 0): void {
    this.queue(bytes, header, pair);
    this.fn.kick(2 * pair + 1);
  }

  /** Puts a frame into the transmit ring without a doorbell. */
  queue(bytes: Uint8Array, header: Uint8Array = NO_HEADER, pair = 0): void {
    const ring = this.fn.ring(2 * pair + 1);
    const whole = packet(bytes, header);
    const slot = ring.availIdx % Math.min(SLOTS, ring.size);
    const isSmall = whole.length <= SLOT_BYTES && pair === 0;
    const addr = isSmall ? this.txSlots + slot * SLOT_BYTES : this.fn.place(whole);
    if (isSmall) this.fn.memory.u8.set(whole, addr - this.fn.memory.iova(0));
    ring.describe(slot, { addr, len: whole.length });
    ring.offer(slot);
  }

  /** Posts receive buffers of these lengths, one descriptor each, and kicks. */
  post(lengths: readonly number[], pair = 0): void {
    const ring = this.fn.ring(2 * pair);
    const known = this.buffers.get(ring) ?? new Map<number, { addr: number; len: number }>();
    this.buffers.set(ring, known);
    for (const len of lengths) {
      const head = ring.availIdx % ring.size;
      const old = known.get(head);
      const buffer = { addr: old !== undefined && old.len === len ? old.addr : this.fn.space(len), len };
      known.set(head, buffer);
      ring.describe(head, { ...buffer, flags: WRITE });
      ring.offer(head);
    }
    this.fn.kick(2 * pair);
  }

  /** Packets that came since the last call. */
  received(pair = 0): Packet[] {
    const ring = this.fn.ring(2 * pair);
    const packets: Packet[] = [];
    let at = this.taken.get(ring) ?? 0;
    while (at !== ring.usedIdx) {
      const parts: Uint8Array[] = [];
      const lengths: number[] = [];
      let left = 1;
      for (; left > 0 && at !== ring.usedIdx; left--) {
        const { id, len } = ring.used(at);
        const part = this.fn.bytesAt(this.buffers.get(ring)!.get(id)!.addr, len);
        if (parts.length === 0 && this.isMergeable) left = Math.max(1, part[10]! | (part[11]! << 8));
        parts.push(part);
        lengths.push(len);
        at = (at + 1) & 0xffff;
      }
      if (left > 0) throw new Error(`${left} buffers of a packet are not used yet`);
      const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
      packets.push({ header: bytes.slice(0, HEADER), frame: bytes.slice(HEADER), lengths });
    }
    this.taken.set(ring, at);
    return packets;
  }

  /** Frames that came since the last call. */
  frames(pair = 0): Uint8Array[] {
    return this.received(pair).map(({ frame }) => frame);
  }

  /** A control command: class, command, data; returns the ack. */
  command(commandClass: number, command: number, ...data: readonly number[]): number {
    const { fn } = this;
    const ring = fn.ring(this.control);
    const bytes = Uint8Array.of(commandClass, command, ...data);
    const ack = fn.space(1, ACK_UNTOUCHED);
    const before = ring.usedIdx;
    ring.offer(
      ring.chain([
        { addr: fn.place(bytes), len: bytes.length },
        { addr: ack, len: 1, flags: WRITE },
      ]),
    );
    fn.kick(this.control);
    if (ring.usedIdx !== ((before + 1) & 0xffff)) throw new Error('the command is not answered');
    return fn.bytesAt(ack, 1)[0]!;
  }

  setPromiscuous(isOn: boolean): number {
    return this.command(0, 0, isOn ? 1 : 0);
  }

  setAllMulticast(isOn: boolean): number {
    return this.command(0, 1, isOn ? 1 : 0);
  }

  /** MAC_TABLE_SET with unicast and multicast addresses. */
  setMacTable(unicast: readonly Uint8Array[], multicast: readonly Uint8Array[]): number {
    const table = (addresses: readonly Uint8Array[]): number[] => [
      addresses.length & 0xff,
      addresses.length >> 8,
      0,
      0,
      ...addresses.flatMap((address) => [...address]),
    ];
    return this.command(1, 0, ...table(unicast), ...table(multicast));
  }

  setMac(mac: Uint8Array): number {
    return this.command(1, 1, ...mac);
  }

  setPairs(pairs: number): number {
    return this.command(4, 0, pairs & 0xff, pairs >> 8);
  }
}
