// SPDX-License-Identifier: Apache-2.0
// MSI-X table and pending bit array as a driver reads and writes them (PCI Express Base §7.7.2), on top of MsixModel.
// Software must use whole aligned dwords; a narrower write leaves the dword open.
import { Bits, bytesMask } from './bits.ts';
import type { MsixModel } from './msix.ts';
import { MSIX_ENTRY_BYTES, MSIX_ENTRY_CONTROL } from './spec.ts';

/** Write masks of the four dwords of an entry: the address is a multiple of 4, of Vector Control only the mask bit exists. */
const WRITABLE = [0xfffffffc, 0xffffffff, 0xffffffff, 1];

export class MsixTable {
  readonly bytes: number;
  private readonly msix: MsixModel;
  private readonly dwords: Bits;
  /** Result of read() and readPending(). */
  value = 0;
  valueMask = 0;

  constructor(msix: MsixModel) {
    this.msix = msix;
    this.bytes = msix.vectors * MSIX_ENTRY_BYTES;
    this.dwords = new Bits(this.bytes / 4);
    this.reset();
  }

  /** Function level reset. Addresses and data are 0 again on this card, docs/registers.md. */
  reset(): void {
    for (let dword = 0; dword < this.bytes / 4; dword++) {
      this.dwords.set(dword, 4 * (dword & 3) === MSIX_ENTRY_CONTROL ? 1 : 0);
    }
  }

  read(offset: number, size: number): void {
    const shift = 8 * (offset & 3);
    this.value = ((this.dwords.value[offset >> 2]! >>> shift) & bytesMask(size)) >>> 0;
    this.valueMask = ((this.dwords.known[offset >> 2]! >>> shift) & bytesMask(size)) >>> 0;
  }

  learn(offset: number, size: number, actual: number): void {
    const dword = offset >> 2;
    const shift = 8 * (offset & 3);
    this.dwords.learn(dword, actual << shift, bytesMask(size) << shift);
    this.followMask(dword);
  }

  write(offset: number, size: number, value: number): void {
    const dword = offset >> 2;
    const writable = WRITABLE[dword & 3]!;
    if (size === 4) this.dwords.set(dword, value & writable);
    else this.dwords.forget(dword, writable);
    this.followMask(dword);
  }

  /** The pending bit array: one bit for each vector, from bit 0 up. Bits beyond the last vector are not defined. */
  readPending(offset: number, size: number): void {
    this.value = 0;
    this.valueMask = 0;
    for (let bit = 0; bit < 8 * size; bit++) {
      const vector = 8 * offset + bit;
      const isPending = vector < this.msix.vectors ? this.msix.pending(vector) : undefined;
      if (isPending === undefined) continue;
      this.value |= Number(isPending) << bit;
      this.valueMask |= 1 << bit;
    }
    this.value >>>= 0;
    this.valueMask >>>= 0;
  }

  learnPending(offset: number, size: number, actual: number): void {
    for (let bit = 0; bit < 8 * size; bit++) {
      const vector = 8 * offset + bit;
      if (vector < this.msix.vectors) this.msix.learnPending(vector, ((actual >>> bit) & 1) !== 0);
    }
  }

  private followMask(dword: number): void {
    if (4 * (dword & 3) !== MSIX_ENTRY_CONTROL) return;
    const isKnown = this.dwords.isKnown(dword, 1);
    this.msix.setMask(dword >> 2, isKnown ? (this.dwords.value[dword]! & 1) !== 0 : undefined);
  }
}
