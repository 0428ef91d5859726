// SPDX-License-Identifier: Apache-2.0
// Which ring a queue gets: the one place that knows the formats there are. A transport says what it negotiated and what its
// queue needs; a program may bring a factory of its own, and its rings then carry the same drivers.
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
} from '../../assembly/abi/virtio_features.ts';
import type { DriverRing } from './driver_ring.ts';
import { PackedRing } from './packed_ring.ts';
import type { DmaMemory } from './platform.ts';
import { SplitRing } from './split_ring.ts';

/** Feature bits that say what a ring looks like: taken whenever they are offered. */
export const RING_FEATURES: readonly number[] = [VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED];

/** What a transport wants of a ring. */
export interface RingRequest {
  /** Virtqueue index. */
  readonly queue: number;
  /** Number of descriptors, a power of two. */
  readonly size: number;
  /** Legacy devices are given one address: the areas follow each other at the places of virtio 1.4 §2.7.2. */
  readonly layout: 'modern' | 'legacy';
  /** Those of RING_FEATURES that were negotiated. */
  readonly features: readonly number[];
  /** Longest buffer that goes into an indirect table of the ring's own, where these were negotiated; 0 for none. */
  readonly indirectEntries: number;
  /** False where the device may write anything as a used length. */
  readonly checksUsedLength: boolean;
}

/** Makes a ring in memory that the device reaches. What it looks like may depend on the request alone. */
export type RingFactory = (memory: DmaMemory, request: RingRequest) => DriverRing;

/** The ring that the negotiated features ask for. */
export function makeRing(memory: DmaMemory, request: RingRequest): DriverRing {
  const { features, layout, ...rest } = request;
  const options = {
    ...rest,
    hasEventIdx: features.includes(VIRTIO_F_EVENT_IDX),
    hasIndirect: features.includes(VIRTIO_F_INDIRECT_DESC),
  };
  if (features.includes(VIRTIO_F_RING_PACKED)) return new PackedRing(memory, options);
  return new SplitRing(memory, { ...options, layout });
}

const PAGE = 4096;
/** Descriptors, available and used ring of a split ring: 16 + 2 + 8 bytes an entry; a packed ring takes less. */
const ENTRY_BYTES = 26;
/** The first part lies on a page of its own; the heads of the others, and their alignment. */
const FIXED_BYTES = PAGE + 192;

/** Bytes of memory that are enough for a ring of makeRing(), without indirect tables. */
export function ringBytes(size: number): number {
  return FIXED_BYTES + size * ENTRY_BYTES;
}

/** The rings of a transport, each made once: a driver that starts again uses the same memory. */
export class RingSet {
  private readonly make: RingFactory;
  private readonly made = new Map<number, { readonly request: RingRequest; readonly ring: DriverRing }>();

  constructor(make: RingFactory = makeRing) {
    this.make = make;
  }

  /** The ring of a queue, cleared: that of an earlier request where it asked for the same, otherwise a new one. */
  ring(memory: DmaMemory, request: RingRequest): DriverRing {
    const old = this.made.get(request.queue);
    if (old !== undefined && isSame(old.request, request)) {
      old.ring.clear();
      return old.ring;
    }
    const ring = this.make(memory, request);
    this.made.set(request.queue, { request, ring });
    return ring;
  }
}

/** Of one queue of one transport: layout and checks stay as they are. */
function isSame(a: RingRequest, b: RingRequest): boolean {
  return (
    a.size === b.size &&
    a.indirectEntries === b.indirectEntries &&
    a.features.length === b.features.length &&
    a.features.every((bit, i) => bit === b.features[i])
  );
}
