// SPDX-License-Identifier: Apache-2.0
// Commands of the kernel's PCI driver, and what they do to a function: accesses of configuration space and BARs, cut into
// the register accesses that the card knows. A function that is not there answers all ones.
import type { Nic } from '../device/nic.ts';
import { lie } from './peer_fault.ts';
import * as P from './protocol.ts';
import type { Chain, SplitQueue } from './split_queue.ts';

/** A command that may be. */
export interface Access {
  readonly isConfig: boolean;
  readonly bar: number;
  readonly offset: number;
  readonly size: number;
  /** What is written; null: it is a read. */
  readonly data: Uint8Array | null;
}

const CFG_SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8]);
/** Offsets in a BAR are 32 bits wide in the kernel. */
const OFFSET_END = 2 ** 32;

/** Reads the command in a buffer. Throws PeerFault where there is none. */
export function decodeAccess(queue: SplitQueue, chain: Chain): Access {
  const { readableBytes, writableBytes } = chain;
  if (readableBytes < P.COMMAND_BYTES) lie(`a command of ${readableBytes} bytes; ${P.COMMAND_BYTES} are its header`);
  const bytes = queue.gather(chain, Math.min(readableBytes, P.COMMAND_BYTES + P.MAX_ACCESS_BYTES));
  const view = new DataView(bytes.buffer);
  const op = view.getUint8(P.COMMAND_OP);
  const bar = view.getUint8(P.COMMAND_BAR);
  const size = view.getUint32(P.COMMAND_SIZE, true);
  const offset = Number(view.getBigUint64(P.COMMAND_ADDRESS, true));
  const isConfig = op === P.OP_CFG_READ || op === P.OP_CFG_WRITE;
  const isRead = op === P.OP_CFG_READ || op === P.OP_MMIO_READ;
  if (op < P.OP_CFG_READ || op > P.OP_MMIO_MEMSET) lie(`command ${op} does not exist`);
  if (isConfig) checkConfig(size, offset);
  else checkBar(bar, size, offset);
  if (isRead) {
    if (writableBytes < size) lie(`a read of ${size} bytes into a buffer of ${writableBytes}`);
    return { isConfig, bar, offset, size, data: null };
  }
  const dataBytes = op === P.OP_MMIO_MEMSET ? 1 : size;
  const given = readableBytes - P.COMMAND_BYTES;
  if (given < dataBytes) lie(`a write of ${size} bytes with ${given} bytes of data`);
  const data = bytes.subarray(P.COMMAND_BYTES, P.COMMAND_BYTES + dataBytes);
  return { isConfig, bar, offset, size, data: op === P.OP_MMIO_MEMSET ? new Uint8Array(size).fill(data[0]!) : data };
}

/** Linux' memset_io sends its bytes as a write of configuration space, whatever their number. */
function checkConfig(size: number, offset: number): void {
  if (!CFG_SIZES.has(size)) lie(`an access of ${size} bytes in configuration space; 1, 2, 4 or 8 are possible`);
  if (offset + size > P.CFG_SPACE_BYTES) lie(`an access at 0x${offset.toString(16)}, behind configuration space`);
}

function checkBar(bar: number, size: number, offset: number): void {
  if (bar >= P.BARS) lie(`an access of BAR ${bar}; there are 0..${P.BARS - 1}`);
  if (size === 0 || size > P.MAX_ACCESS_BYTES) {
    lie(`an access of ${size} bytes in a BAR; 1..${P.MAX_ACCESS_BYTES} are possible`);
  }
  if (offset + size > OFFSET_END) lie(`an access at 0x${offset.toString(16)}, which no BAR reaches`);
}

// ---- the register accesses of an access ---------------------------------------------------------------------------------------

/** Bytes of the register access that comes when `done` bytes are through: 1, 2 or 4, aligned. */
export function widthAt({ offset, size }: Access, done: number): number {
  const at = offset + done;
  const left = size - done;
  return at % 4 === 0 && left >= 4 ? 4 : at % 2 === 0 && left >= 2 ? 2 : 1;
}

/** What it writes. */
export function valueAt(data: Uint8Array, done: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value |= data[done + i]! << (8 * i);
  return value >>> 0;
}

/** Keeps what it read. */
export function keepValue(read: Uint8Array, done: number, width: number, value: number): void {
  for (let i = 0; i < width; i++) read[done + i] = value >>> (8 * i);
}

/** Accesses of one function, each complete when its call returns. */
export class FunctionAccess {
  private readonly nic: Nic;
  private readonly fn: number;

  constructor(nic: Nic, fn: number) {
    this.nic = nic;
    this.fn = fn;
  }

  /** Makes an access; what was read, or nothing. */
  perform(access: Access): Uint8Array {
    const { nic, fn } = this;
    const { isConfig, bar, offset, size, data } = access;
    const read = new Uint8Array(data === null ? size : 0);
    for (let done = 0; done < size;) {
      const at = offset + done;
      const width = widthAt(access, done);
      if (data === null) {
        keepValue(read, done, width, isConfig ? nic.configRead(fn, at, width) : nic.read(fn, bar, at, width));
      } else {
        const value = valueAt(data, done, width);
        if (isConfig) nic.configWrite(fn, at, width, value);
        else nic.write(fn, bar, at, width, value);
      }
      done += width;
    }
    return read;
  }
}
