// SPDX-License-Identifier: Apache-2.0
// A virtqueue as its driver uses it, whatever its format (virtio 1.4 §2.7 split, §2.8 packed): buffers go in, of one
// descriptor or of a chain, become visible to the device with publish(), and come back by the id that they were given.
// Queues, clients and transports know this interface alone; ring_formats.ts decides what stands behind it.
//
//   add...() -> id        publish() -> does the device want to be notified?        takeUsed() -> id, usedLength

/** How a driver tells the device that it made buffers available. */
export interface Doorbell {
  /** Available buffer notification of a queue. */
  notify(queue: number): void;
}

/**
 * One virtqueue in its driver's hands. Whatever is added returns its id, a number below `size` that names it until takeUsed()
 * returns it; -1 where no room is left. A buffer is a chain of one or more descriptors, device-readable ones first.
 */
export interface DriverRing {
  /** Virtqueue index. */
  readonly queue: number;
  /** Number of descriptors. */
  readonly size: number;
  /** Device addresses of the three areas, as common configuration names them: queue_desc, queue_driver, queue_device. */
  readonly descriptorIova: number;
  readonly driverIova: number;
  readonly deviceIova: number;
  /** Descriptors that are not part of a buffer in flight. */
  readonly freeCount: number;
  /** Buffers that were added and that takeUsed() has not returned. */
  readonly inFlight: number;
  /** Id of the buffer that is added next, while a descriptor is free. */
  readonly nextId: number;
  /** Bytes that the device wrote, of the buffer that takeUsed() returned last. */
  readonly usedLength: number;

  /** Back to the state after construction, without fixed buffers; only while the device does not use the ring (after its reset). */
  clear(): void;

  /** Gives an id a buffer of one descriptor for good. A ring with fixed buffers takes nothing but addFixed(). */
  fix(id: number, iova: number, length: number, writable: boolean): void;
  /** Makes the first `length` bytes of the fixed buffer of `nextId` available. */
  addFixed(length: number): number;
  /** Gives `id`, an even number, a buffer of two descriptors for good: then addFixedPair() and nothing else, and ids are even. */
  fixPair(id: number, iova0: number, length0: number, iova1: number, length1: number, writable: boolean): void;
  /** Makes the fixed pair of `nextId` available, with `length` bytes of its second descriptor. */
  addFixedPair(length: number): number;

  /** Appends a descriptor to the buffer under construction. Throws NicError RING_CHAIN for more than `size`, and for a wrong order. */
  push(iova: number, length: number, writable: boolean): void;
  /** Makes the pushed buffer available; it is dropped where no room is left. Throws NicError RING_CHAIN where nothing was pushed. */
  commit(): number;

  /**
   * Describes part `entry` of a buffer in a table that is the caller's memory: VIRTQ_DESC_SIZE bytes for each part, from offset
   * `table` on. Parts are written in their order; one is the last.
   */
  writeTableEntry(table: number, entry: number, iova: number, length: number, writable: boolean, isLast: boolean): void;
  /**
   * Makes the buffer of a table of `entries` parts available, as often as wanted: indirectly where that was negotiated, otherwise by
   * descriptors of the ring. `writableBytes` is the room that its writable parts have together.
   */
  addTable(table: number, entries: number, writableBytes: number): number;

  /** Shows the device everything added since; true where it wants an available buffer notification. */
  publish(): boolean;
  /** True where the device wants to be notified of the next buffer. */
  wantsNotification(): boolean;
  /** True where the device returned something that takeUsed() has not taken. */
  hasUsed(): boolean;
  /**
   * Takes one used buffer: its id, and its length in `usedLength`; -1 when there is none. Throws DeviceFaultError where what the
   * device wrote cannot be; the ring then takes nothing and returns nothing until it is cleared.
   */
  takeUsed(): number;
  /** Asks for used buffer notifications again; true where used buffers came in meanwhile and are to be taken first. */
  enableInterrupts(): boolean;
  /** Asks the device not to interrupt; a hint, it may still do so. */
  disableInterrupts(): void;
}
