// SPDX-License-Identifier: Apache-2.0
// The kernel's memory: the regions of its memory table, each a part of a file. The card's DMA comes with guest addresses,
// which are physical ones, since there is no IOMMU; rings come with user addresses.
import type { ForeignAnswer, ForeignMemory } from '../device/foreign.ts';
import type { FileCalls } from '../native/libc.ts';
import { holdsPart, openFileRange, type FilePart, type FileRange } from '../peer/file_memory.ts';
import { lie } from './peer_fault.ts';

/** A region as the kernel sent it. */
export interface RegionRequest extends Omit<FilePart, 'isWritable'> {
  readonly guest: number;
  readonly user: number;
}

interface Region {
  readonly guest: number;
  readonly user: number;
  readonly size: number;
  readonly range: FileRange;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

export class GuestMemory implements ForeignMemory {
  private readonly libc: FileCalls;
  private regions: readonly Region[] = [];

  constructor(libc: FileCalls) {
    this.libc = libc;
  }

  get isEmpty(): boolean {
    return this.regions.length === 0;
  }

  /** Puts a table in the place of the one before. Throws PeerFault; the descriptors are then still the caller's. */
  replace(requests: readonly RegionRequest[]): void {
    requests.forEach((request, i) => this.check(request, requests.slice(0, i)));
    const regions = requests.map((request) => ({
      guest: request.guest,
      user: request.user,
      size: request.size,
      range: openFileRange(this.libc, { ...request, isWritable: true }, false),
    }));
    this.clear();
    this.regions = regions;
  }

  clear(): void {
    for (const { range } of this.regions) range.release();
    this.regions = [];
  }

  /** All of the bytes at a guest address are there. */
  has(address: number, length: number): boolean {
    return this.find('guest', address, length) !== null;
  }

  /** Guest address of bytes at a user address; -1 where they do not lie in one region. */
  guestOf(user: number, length: number): number {
    const region = this.find('user', user, length);
    return region === null ? -1 : region.guest + user - region.user;
  }

  read(offset: number, length: number, target: Uint8Array, at: number): ForeignAnswer {
    const region = this.find('guest', offset, length);
    return region !== null && region.range.read(offset - region.guest, length, target, at);
  }

  write(offset: number, length: number, source: Uint8Array, at: number): ForeignAnswer {
    const region = this.find('guest', offset, length);
    return region !== null && region.range.write(offset - region.guest, length, source, at);
  }

  private find(by: 'guest' | 'user', address: number, length: number): Region | null {
    for (const region of this.regions) {
      if (address >= region[by] && address + length <= region[by] + region.size) return region;
    }
    return null;
  }

  private check(request: RegionRequest, others: readonly RegionRequest[]): void {
    const { guest, user, size, fileOffset } = request;
    const isRange = size > 0 && Number.isSafeInteger(guest + size) && Number.isSafeInteger(user + size);
    if (!isRange) lie(`a region of ${size} bytes at ${hex(guest)} is none`);
    for (const by of ['guest', 'user'] as const) {
      const isOverlap = others.some((other) => request[by] < other[by] + other.size && other[by] < request[by] + size);
      if (isOverlap) lie(`regions overlap at ${by} address ${hex(request[by])}`);
    }
    if (!holdsPart(this.libc, { ...request, isWritable: true })) {
      lie(`the file of a region does not hold ${size} bytes from ${fileOffset} on`);
    }
  }
}
