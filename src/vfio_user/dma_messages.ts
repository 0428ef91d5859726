// SPDX-License-Identifier: Apache-2.0
// DMA_READ and DMA_WRITE: memory that the client keeps to itself. Nobody waits for an answer: the client may wait for one
// of ours meanwhile, and its memory does not answer before that. The card goes on with a read when all of it has come. A
// write has no completion, so its reply tells nothing; a client takes messages in their order, so who has answered a read
// has done the writes before it.
import type { LateRead } from '../device/foreign.ts';
import type { Connection, Message } from './connection.ts';
import type { DmaMessages, MessageRead } from './dma_map.ts';
import {
  DMA_ADDRESS,
  DMA_COUNT,
  DMA_DATA,
  FLAG_ERROR,
  FLAG_TYPE_COMMAND,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_WRITE,
} from './protocol.ts';

/** A client that takes longer for an answer is lost. */
const PATIENCE_MS = 2000;
const IDS = 0x10000;

/** A read of the card, and the messages that it became. */
interface Read {
  readonly late: LateRead;
  left: number;
  isGood: boolean;
}

/** A message that is not answered yet. */
interface Asked {
  readonly read: Read;
  /** Its place in the read. */
  readonly at: number;
  readonly count: number;
  readonly sentMs: number;
}

export class SocketDma implements DmaMessages {
  /** Bytes that a message may carry. */
  private readonly maxDataBytes: number;
  private readonly connection: Connection;
  private readonly answerLater: () => LateRead;
  private readonly onSent: () => void;
  /** By message id, oldest first. */
  private readonly asked = new Map<number, Asked>();
  private nextId = 0;

  /** `onSent` is called behind every message. */
  constructor(connection: Connection, maxDataBytes: number, answerLater: () => LateRead, onSent: () => void) {
    this.connection = connection;
    this.maxDataBytes = maxDataBytes;
    this.answerLater = answerLater;
    this.onSent = onSent;
  }

  beginRead(): MessageRead {
    const read: Read = { late: this.answerLater(), left: 0, isGood: true };
    return {
      ask: (address, count, at) => this.ask(read, address, count, at),
      fail: () => {
        read.isGood = false;
      },
    };
  }

  /** A client may ask for messages of one byte: half of the ids is left for the read that comes next. */
  canReach(): boolean {
    return !this.connection.isClosed && this.maxDataBytes > 0 && this.asked.size < IDS / 2;
  }

  write(address: number, length: number, source: Uint8Array, at: number): void {
    for (let done = 0; done < length; done += this.maxDataBytes) {
      const count = Math.min(length - done, this.maxDataBytes);
      this.send(VFIO_USER_DMA_WRITE, address + done, count, source.subarray(at + done, at + done + count));
    }
  }

  /** The reply to one of these messages; of those that nobody waits for, nothing is kept. */
  take({ id, command, flags, payload }: Message): void {
    const asked = command === VFIO_USER_DMA_READ ? this.asked.get(id) : undefined;
    if (asked === undefined) return;
    this.asked.delete(id);
    const { read, at, count } = asked;
    if ((flags & FLAG_ERROR) !== 0 || payload.byteLength !== DMA_DATA + count) read.isGood = false;
    else read.late.put(at, new Uint8Array(payload.buffer, payload.byteOffset + DMA_DATA, count));
    read.left--;
    if (read.left === 0) read.late.end(read.isGood);
  }

  /** The client owes an answer for longer than anybody waits. */
  isOverdue(nowMs: number): boolean {
    for (const { sentMs } of this.asked.values()) return nowMs - sentMs > PATIENCE_MS;
    return false;
  }

  /** There will be no more answers: what waits for one fails. */
  giveUp(): void {
    const reads = new Set([...this.asked.values()].map(({ read }) => read));
    this.asked.clear();
    for (const { late } of reads) late.end(false);
  }

  private ask(read: Read, address: number, length: number, at: number): void {
    const sentMs = performance.now();
    for (let done = 0; done < length; done += this.maxDataBytes) {
      const count = Math.min(length - done, this.maxDataBytes);
      read.left++;
      this.asked.set(this.send(VFIO_USER_DMA_READ, address + done, count), { read, at: at + done, count, sentMs });
    }
  }

  /** Sends one message; its id. */
  private send(command: number, address: number, count: number, data: Uint8Array | null = null): number {
    while (this.asked.has(this.nextId)) this.nextId = (this.nextId + 1) % IDS;
    const id = this.nextId;
    this.nextId = (id + 1) % IDS;
    const bytes = DMA_DATA + (data === null ? 0 : count);
    this.connection.send({ id, command, flags: FLAG_TYPE_COMMAND }, bytes, (payload) => {
      payload.setBigUint64(DMA_ADDRESS, BigInt(address), true);
      payload.setBigUint64(DMA_COUNT, BigInt(count), true);
      if (data !== null) new Uint8Array(payload.buffer, payload.byteOffset + DMA_DATA, count).set(data);
    });
    this.onSent();
    return id;
  }
}
