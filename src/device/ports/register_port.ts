// SPDX-License-Identifier: Apache-2.0
// Configuration space and BARs of every function, and who claims an address on the bus.
import * as CTL from '../../../assembly/abi/control.ts';
import { NONE } from '../../../assembly/abi/state_value.ts';
import { NicError } from '../../util/errors.ts';
import { OutputPort } from './output_port.ts';

/** Bit n: an access of n bytes exists. A shift and a mask where three comparisons would stand on the hot path. */
const ACCESS_SIZES = (1 << 1) | (1 << 2) | (1 << 4);

function isAccess(offset: number, size: number): boolean {
  return ((ACCESS_SIZES >>> size) & 1) !== 0 && (offset & (size - 1)) === 0;
}

function asTag(pin: number): number | null {
  const tag = pin >>> 0;
  return tag === NONE ? null : tag;
}

/** Register access; the hot path of drivers and fuzzers. */
export abstract class RegisterPort extends OutputPort {
  /** Memory read of 1, 2 or 4 naturally aligned bytes in a BAR; all ones where no register answers. */
  read(fn: number, bar: number, offset: number, size: number): number {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    let value: number;
    try {
      value = this.pins.mmioRead(fn, bar, offset, size) >>> 0;
    } catch (error) {
      throw this.failure(error);
    }
    if (this.u32[CTL.OUT_HEAD >> 2] !== this.u32[CTL.OUT_TAIL >> 2]) this.drain();
    return value;
  }

  /** Posted memory write in a BAR. */
  write(fn: number, bar: number, offset: number, size: number, value: number): void {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    try {
      this.pins.mmioWrite(fn, bar, offset, size, value);
    } catch (error) {
      throw this.failure(error);
    }
    if (this.u32[CTL.OUT_HEAD >> 2] !== this.u32[CTL.OUT_TAIL >> 2]) this.drain();
  }

  /** Configuration read of 1, 2 or 4 aligned bytes as the hardware answers it. */
  configRead(fn: number, offset: number, size: number): number {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    let value: number;
    try {
      value = this.pins.configRead(fn, offset, size) >>> 0;
    } catch (error) {
      throw this.failure(error);
    }
    if (this.u32[CTL.OUT_HEAD >> 2] !== this.u32[CTL.OUT_TAIL >> 2]) this.drain();
    return value;
  }

  /** Configuration write of 1, 2 or 4 aligned bytes. */
  configWrite(fn: number, offset: number, size: number, value: number): void {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    try {
      this.pins.configWrite(fn, offset, size, value);
    } catch (error) {
      throw this.failure(error);
    }
    if (this.u32[CTL.OUT_HEAD >> 2] !== this.u32[CTL.OUT_TAIL >> 2]) this.drain();
  }

  // ---- requests: no time passes in the call, and the completion comes to the handler of onCompletion() ---------------------

  /**
   * Requests what read() reads. The tag of the request, by which its completion comes; no other has it until then. Null: 256
   * requests are under way already, another one has to wait for a completion.
   */
  requestRead(fn: number, bar: number, offset: number, size: number): number | null {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    return asTag(this.pins.requestRead(fn, bar, offset, size));
  }

  /** Requests what configRead() reads, likewise. */
  requestConfigRead(fn: number, offset: number, size: number): number | null {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    return asTag(this.pins.requestConfigRead(fn, offset, size));
  }

  /** Requests what configWrite() writes, likewise; its completion says that it is done, and has value 0. */
  requestConfigWrite(fn: number, offset: number, size: number, value: number): number | null {
    if (fn >>> 0 > this.lastFn || !isAccess(offset, size)) this.refuse(fn, offset, size);
    return asTag(this.pins.requestConfigWrite(fn, offset, size, value));
  }

  /** write(), if no time has to pass for it. False: 1,024 writes are under way, and it is to be offered again later. */
  requestWrite(fn: number, bar: number, offset: number, size: number, value: number): boolean {
    if (this.pins.isWriteHeldUp()) return false;
    this.write(fn, bar, offset, size, value);
    return true;
  }

  /** Function that answers to a routing id; -1 if none does. */
  functionAt(routingId: number): number {
    const fn = this.pins.findRoutingId(routingId) >>> 0;
    return fn === NONE ? -1 : fn;
  }

  /** Who claims a memory address on the bus; null if nobody does. */
  decode(address: number): { fn: number; bar: number; offset: number } | null {
    const found = this.pins.findAddress(address) >>> 0;
    if (found === NONE) return null;
    return { fn: found >> 3, bar: found & 7, offset: this.u32[CTL.DECODED_OFFSET >> 2]! };
  }

  private refuse(fn: number, offset: number, size: number): never {
    this.functionBase(fn);
    throw new NicError(
      'ACCESS',
      `access of ${size} bytes at offset ${offset}: a register access is 1, 2 or 4 bytes, naturally aligned`,
    );
  }
}
