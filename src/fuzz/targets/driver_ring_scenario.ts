// SPDX-License-Identifier: Apache-2.0
// A split ring alone under attack, with chains of every shape, beside a reference that knows what was added, published and
// taken: takeUsed() has to return exactly what the reference reads in the used ring, and to refuse what it refuses.
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../../assembly/abi/virtio_features.ts';
import { VIRTQ_USED_ELEM_SIZE, VIRTQ_USED_IDX, VIRTQ_USED_RING } from '../../../assembly/abi/virtio_ring.ts';
import { DeviceFaultError } from '../../guest/device_fault.ts';
import type { DriverRing } from '../../guest/driver_ring.ts';
import { makeRing } from '../../guest/ring_formats.ts';
import { HostileFunction } from './driver_device.ts';
import { IOVA_BASE } from './driver_memory.ts';
import { Breach } from './breach.ts';
import { DeviceQueue } from './driver_queue.ts';
import { serveQueue } from './driver_service.ts';
import type { Scenario } from './driver_scenario.ts';
import type { DriverWorld } from './driver_world.ts';

const QUEUE = 1;
const BUFFER_BYTES = 32;
const MOST_BUFFERS = 4;

export class RingScenario implements Scenario {
  readonly functions: readonly HostileFunction[];
  private readonly world: DriverWorld;
  private readonly options: number;
  private ring: DriverRing | null = null;
  private queue: DeviceQueue | null = null;
  /** Writable bytes of each chain in flight, by its id: those that the device knows of, and those that it does not yet. */
  private readonly inFlight = new Map<number, number>();
  private readonly unpublished = new Map<number, number>();
  private taken = 0;
  private isBroken = false;

  constructor(world: DriverWorld, options: number) {
    this.world = world;
    this.options = options;
    this.functions = [new HostileFunction(world, 'vf', 0)];
  }

  start(): void {
    const { memory, queues } = this.world;
    const size = 1 << ((this.options >>> 2) & 3);
    const layout = (this.options & 1) === 0 ? 'modern' : 'legacy';
    const ring = makeRing(memory, {
      queue: QUEUE,
      size,
      layout,
      features: [
        ...((this.options & 2) === 0 ? [] : [VIRTIO_F_INDIRECT_DESC]),
        ...((this.options & 16) === 0 ? [] : [VIRTIO_F_EVENT_IDX]),
      ],
      indirectEntries: MOST_BUFFERS,
      checksUsedLength: true,
    });
    this.ring = ring;
    const place = {
      size,
      desc: ring.descriptorIova - IOVA_BASE,
      avail: ring.driverIova - IOVA_BASE,
      used: ring.deviceIova - IOVA_BASE,
    };
    this.queue = new DeviceQueue(memory, QUEUE, place, queues);
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
        for (const [id, room] of this.unpublished) this.inFlight.set(id, room);
        this.unpublished.clear();
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

  private add(ring: DriverRing, count: number, value: number): void {
    const { memory } = this.world;
    let room = 0;
    for (let i = 0; i < Math.min(count, ring.size); i++) {
      const isWritable = i >= (value & 3);
      ring.push(memory.iova(memory.alloc(BUFFER_BYTES, 8)), BUFFER_BYTES, isWritable);
      if (isWritable) room += BUFFER_BYTES;
    }
    const id = ring.commit();
    if (id < 0) return;
    if (this.inFlight.has(id) || this.unpublished.has(id))
      throw new Breach(`the ring gives id ${id} out while it is in flight`);
    this.unpublished.set(id, room);
  }

  private take(ring: DriverRing): void {
    for (;;) {
      const expected = this.expected();
      let id: number;
      try {
        id = ring.takeUsed();
      } catch (error) {
        if (!(error instanceof DeviceFaultError)) throw error;
        if (expected !== 'fault') throw new Breach('the ring refuses a used element that is right');
        this.isBroken = true;
        throw error;
      }
      if (id !== expected) throw new Breach(`the ring returns id ${id} where the used ring says ${expected}`);
      if (id < 0) return;
      const room = this.inFlight.get(id)!;
      if (ring.usedLength > room) throw new Breach(`the ring returns ${ring.usedLength} bytes in a chain of ${room}`);
      this.inFlight.delete(id);
      this.taken = (this.taken + 1) & 0xffff;
    }
  }

  /** What takeUsed() is to do now: an id, -1 for nothing, or a fault. */
  private expected(): number | 'fault' {
    if (this.isBroken) return 'fault';
    const { view } = this.world.memory;
    const { used, size } = this.queue!.place;
    const count = (view.getUint16(used + VIRTQ_USED_IDX, true) - this.taken) & 0xffff;
    if (count === 0) return -1;
    const element = used + VIRTQ_USED_RING + VIRTQ_USED_ELEM_SIZE * (this.taken % size);
    const id = view.getUint32(element, true);
    const room = this.inFlight.get(id);
    const isRight = count <= this.inFlight.size && room !== undefined && view.getUint32(element + 4, true) <= room;
    return isRight ? id : 'fault';
  }
}
