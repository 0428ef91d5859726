// SPDX-License-Identifier: Apache-2.0
// A split ring alone under attack, with chains of every shape and a reference of what is in flight: what takeUsed() returns
// has to be a chain that was added and not yet taken, with a length that it can hold.
import { SplitRing } from '../../guest/split_ring.ts';
import { HostileFunction } from './driver_device.ts';
import { IOVA_BASE } from './driver_memory.ts';
import { Breach, DeviceQueue } from './driver_queue.ts';
import { serveQueue } from './driver_service.ts';
import type { Scenario } from './driver_scenarios.ts';
import type { DriverWorld } from './driver_world.ts';

const QUEUE = 1;
const BUFFER_BYTES = 32;
const MOST_BUFFERS = 4;

export class RingScenario implements Scenario {
  readonly functions: readonly HostileFunction[];
  private readonly world: DriverWorld;
  private readonly options: number;
  private ring: SplitRing | null = null;
  private queue: DeviceQueue | null = null;
  /** Writable bytes of each chain in flight, by its head. */
  private readonly inFlight = new Map<number, number>();

  constructor(world: DriverWorld, options: number) {
    this.world = world;
    this.options = options;
    this.functions = [new HostileFunction(world, 'vf', 0)];
  }

  start(): void {
    const { memory, queues } = this.world;
    const size = 1 << ((this.options >>> 2) & 3);
    const layout = (this.options & 1) === 0 ? 'modern' : 'legacy';
    const indirectEntries = (this.options & 2) === 0 ? 0 : MOST_BUFFERS;
    const ring = new SplitRing(memory, {
      queue: QUEUE,
      size,
      layout,
      indirectEntries,
      hasEventIdx: (this.options & 16) !== 0,
    });
    this.ring = ring;
    const [desc, avail, used] = [ring.descIova, ring.availIova, ring.usedIova].map((iova) => iova - IOVA_BASE);
    this.queue = new DeviceQueue(memory, QUEUE, { size, desc: desc!, avail: avail!, used: used! }, queues);
    queues.push(this.queue);
    this.functions[0]!.useRing(QUEUE, this.queue);
  }

  operate(operation: number, at: number, value: number): void {
    const { ring } = this;
    if (ring === null) return;
    switch (operation % 5) {
      case 0:
        this.add(ring, 1 + (at % MOST_BUFFERS), value);
        return;
      case 1:
        this.take(ring);
        return;
      case 2:
        if (ring.publish()) this.serve();
        return;
      case 3:
        this.serve();
        return;
      default:
        if ((value & 1) === 0) ring.disableInterrupts();
        else ring.enableInterrupts();
    }
  }

  private serve(): void {
    if (this.queue !== null) serveQueue(this.functions[0]!, QUEUE, this.queue);
  }

  private add(ring: SplitRing, count: number, value: number): void {
    const { memory } = this.world;
    let room = 0;
    for (let i = 0; i < Math.min(count, ring.size); i++) {
      const isWritable = i >= (value & 3);
      ring.push(memory.iova(memory.alloc(BUFFER_BYTES, 8)), BUFFER_BYTES, isWritable);
      if (isWritable) room += BUFFER_BYTES;
    }
    const head = ring.commit();
    if (head < 0) return;
    if (this.inFlight.has(head)) throw new Breach(`the ring gives head ${head} out while it is in flight`);
    this.inFlight.set(head, room);
  }

  private take(ring: SplitRing): void {
    for (let head = ring.takeUsed(); head >= 0; head = ring.takeUsed()) {
      const room = this.inFlight.get(head);
      if (room === undefined) throw new Breach(`the ring returns head ${head}, which is not in flight`);
      if (ring.usedLength > room) throw new Breach(`the ring returns ${ring.usedLength} bytes in a chain of ${room}`);
      this.inFlight.delete(head);
    }
  }
}
