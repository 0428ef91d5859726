// SPDX-License-Identifier: Apache-2.0
// DMA_READ and DMA_WRITE: memory that the client keeps to itself. The card waits for each answer, and so does this
// process. While it waits, the client may wait too, for an answer of ours, and then its memory does not answer. What can
// be answered in between is; for the rest the access fails, as an access of a device does when nobody completes it. An
// exchange is not begun while the client waits for the very message under way.
import type { Connection, Message } from './connection.ts';
import type { DmaMessages } from './dma_map.ts';
import {
  DMA_ADDRESS,
  DMA_COUNT,
  DMA_DATA,
  FLAG_ERROR,
  FLAG_TYPE_COMMAND,
  FLAG_TYPE_MASK,
  FLAG_TYPE_REPLY,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_WRITE,
} from './protocol.ts';

/** A client's own limit is 5 s: its thread may wait for us while we wait for it. */
const PATIENCE_MS = 2000;

/** Who decides what becomes of commands that come while an answer is waited for. */
export interface MeanwhileHandler {
  /** The client waits for the reply to a message that is being worked on. */
  readonly isAnswering: boolean;
  readonly maxDataXferBytes: number;
  /** Handles a command or keeps it; false: the client waits for it, and the card has to come back first. */
  meanwhile(message: Message): boolean;
  /** The client does not answer; it is lost. */
  abandon(): void;
}

export class SocketDma implements DmaMessages {
  private readonly connection: Connection;
  private readonly handler: MeanwhileHandler;
  private nextId = 0;

  constructor(connection: Connection, handler: MeanwhileHandler) {
    this.connection = connection;
    this.handler = handler;
  }

  read(address: number, length: number, target: Uint8Array, at: number): boolean {
    return this.inPieces(length, (done, count) => {
      const reply = this.exchange(VFIO_USER_DMA_READ, DMA_DATA, (payload) => {
        payload.setBigUint64(DMA_ADDRESS, BigInt(address + done), true);
        payload.setBigUint64(DMA_COUNT, BigInt(count), true);
      });
      if (reply === null || reply.byteLength !== DMA_DATA + count) return false;
      target.set(new Uint8Array(reply.buffer, reply.byteOffset + DMA_DATA, count), at + done);
      return true;
    });
  }

  write(address: number, length: number, source: Uint8Array, at: number): boolean {
    return this.inPieces(length, (done, count) => {
      const reply = this.exchange(VFIO_USER_DMA_WRITE, DMA_DATA + count, (payload) => {
        payload.setBigUint64(DMA_ADDRESS, BigInt(address + done), true);
        payload.setBigUint64(DMA_COUNT, BigInt(count), true);
        const data = new Uint8Array(payload.buffer, payload.byteOffset + DMA_DATA, count);
        data.set(source.subarray(at + done, at + done + count));
      });
      return reply !== null;
    });
  }

  private inPieces(length: number, transfer: (done: number, count: number) => boolean): boolean {
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, this.handler.maxDataXferBytes);
      if (count === 0 || !transfer(done, count)) return false;
      done += count;
    }
    return true;
  }

  /** Payload of the reply; null where there is none, or an error. */
  private exchange(command: number, bytes: number, fill: (payload: DataView) => void): DataView | null {
    const { connection, handler } = this;
    if (connection.isClosed || handler.isAnswering) return null;
    const id = this.nextId;
    this.nextId = (id + 1) & 0xffff;
    connection.send({ id, command, flags: FLAG_TYPE_COMMAND }, bytes, fill);
    const deadline = performance.now() + PATIENCE_MS;
    while (!connection.isClosed) {
      for (let message = connection.next(); message !== null; message = connection.next()) {
        const isReply = (message.flags & FLAG_TYPE_MASK) === FLAG_TYPE_REPLY;
        if (message.isPossible && isReply && message.id === id && message.command === command) {
          return (message.flags & FLAG_ERROR) === 0 ? message.payload : null;
        }
        if (!handler.meanwhile(message)) return null;
      }
      connection.flush();
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || !connection.wait(leftMs)) break;
      connection.receive();
    }
    handler.abandon();
    return null;
  }
}
