// SPDX-License-Identifier: Apache-2.0
// One card for many sequences of lifecycle operations, with what the test holds of it: open files, calls that sleep,
// functions of the on-demand interface, and memory for drivers that is used again and again.
import assert from 'node:assert/strict';

import { FUNCTIONS } from '../../../assembly/abi/state_map.ts';
import * as CTL from '../../../assembly/abi/control.ts';
import * as FN from '../../../assembly/abi/function.ts';
import { VirtioModern } from '../../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../../src/guest/virtio_net.ts';
import type { DmaMemory } from '../../../src/guest/platform.ts';
import type { IommufdContext } from '../../../src/iommufd/context.ts';
import { DmaBuffer } from '../../../src/iommufd/dma_buffer.ts';
import { OnDemandFunctions } from '../../../src/provisioning/on_demand.ts';
import type { OnDemandFunction } from '../../../src/provisioning/on_demand_function.ts';
import type { SriovLifecycle } from '../../../src/provisioning/sriov_lifecycle.ts';
import type { Pending } from '../../../src/provisioning/tasks.ts';
import type { VfioFile } from '../../../src/provisioning/vfio_file.ts';
import { frame, STRANGER } from '../../conformance/ring/support/frames.ts';
import type { ReferenceSizes } from './function_reference.ts';
import { errnoOf, iommufd, sriovHost } from './lifecycle_bench.ts';

const MEMORY_BYTES = 1 << 19;
const SMALL_QUEUES = { queueSize: 2 };

/** Memory whose allocations begin anew with each driver. */
class ReusedMemory implements DmaMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly size: number;
  private readonly block: DmaBuffer;
  private used = 0;

  constructor(block: DmaBuffer) {
    this.block = block;
    this.u8 = block.u8;
    this.u16 = block.u16;
    this.u32 = block.u32;
    this.size = block.size;
  }

  restart(): void {
    this.used = 0;
  }

  alloc(bytes: number, align: number): number {
    const offset = Math.ceil(this.used / align) * align;
    assert(offset + bytes <= this.size, 'the drivers need more memory');
    this.used = offset + bytes;
    this.u8.fill(0, offset, this.used);
    return offset;
  }

  iova(offset: number): number {
    return this.block.iova(offset);
  }
}

/** The real thing under test. */
export class LifecycleWorld {
  readonly host: SriovLifecycle;
  readonly functions: OnDemandFunctions;
  /** One /dev/iommu for all, with one IOAS. */
  readonly context: IommufdContext;
  readonly ioas: number;
  files: VfioFile[] = [];
  calls: Pending[] = [];
  made: OnDemandFunction[] = [];
  /** Operations of the sequence, and all frames that were sent. */
  operations = 0;
  framesSent = 0;
  private readonly memory: ReusedMemory;
  private readonly atRest: unknown;

  constructor({ vfs, onDemand, pasids }: ReferenceSizes) {
    this.host = sriovHost({ totalVfs: vfs, onDemandFunctions: onDemand });
    this.functions = new OnDemandFunctions(this.host, { lastPasid: pasids });
    this.context = iommufd(this.host);
    this.ioas = this.context.ioasAlloc();
    const map = (iova: number, length: number, window: number): void => {
      this.context.ioasMap(this.ioas, { iova, length, source: { window }, read: true, write: true });
    };
    this.memory = new ReusedMemory(new DmaBuffer(this.host.machine.nic, { map }, MEMORY_BYTES));
    this.host.machine.nic.onFrame(() => this.framesSent++);
    this.atRest = this.state();
  }

  /** What a call answers; one that sleeps is remembered. */
  call(start: () => Pending): string {
    let pending: Pending | undefined;
    const code = errnoOf(() => (pending = start()));
    if (pending === undefined || pending.isDone) return code;
    this.calls.push(pending);
    return 'sleeps';
  }

  /** A driver comes up on the device of a file, sends one frame, and goes: `sent`, `faulted`, or what access is refused with. */
  send(file: VfioFile): string {
    const { nic, clock } = this.host.machine;
    const before = [this.framesSent, nic.counters()['dma_faults']!];
    const code = errnoOf(() => {
      const transport = new VirtioModern(file);
      this.memory.restart();
      const driver = new VirtioNet(transport, this.memory, clock, { rxBufferBytes: 1600, ...SMALL_QUEUES });
      driver.start();
      driver.send(frame(STRANGER, driver.mac));
      driver.stop();
    });
    if (code !== '') return code;
    if (this.framesSent === before[0]! + 1) return 'sent';
    return nic.counters()['dma_faults']! > before[1]! ? 'faulted' : 'lost';
  }

  /** Closes every file, takes everything down, and looks for what is left over. */
  takeDown(): void {
    const { host, functions } = this;
    for (const file of this.files) errnoOf(() => file.close());
    assert.deepEqual(
      this.calls.filter(({ isDone }) => !isDone),
      [],
    );
    for (const made of this.made) if (made.state !== 'gone') made.destroy();
    for (const mdev of functions.mdevs.all()) mdev.remove();
    if (host.state.startsWith('dead')) host.unbindPf();
    if (host.state === 'unbound') host.bindPf();
    host.setNumVfs(0);
    host.autoprobe = false;
    this.files = [];
    this.calls = [];
    this.made = [];
    this.operations = 0;
    // what waited for VFs to go is cleaned up with the next use
    functions.create('sriov').destroy();

    assert.deepEqual(this.state(), this.atRest);
  }

  /** Everything that could be left over. */
  private state(): unknown {
    const { host, functions, context } = this;
    const { nic } = host.machine;
    return {
      pf: host.state,
      vfs: new Set(host.vfs.map(({ state }) => state)),
      nodes: host.nodes.count,
      asleep: host.tasks.waiting,
      present: Array.from({ length: nic.functions() }, (_, fn) => nic.isPresent(fn)),
      attached: Array.from(
        { length: nic.functions() - 1 },
        (_, i) => nic.core.u32[(FUNCTIONS + (i + 1) * FN.STRIDE + FN.IOAS) >> 2],
      ),
      profiles: Array.from({ length: nic.config.totalVfs }, (_, i) => nic.provisioned(i + 1)),
      numbers: host.functions.inUse,
      pasids: functions.pasids.inUse,
      functions: functions.all.length,
      mdevs: functions.mdevs.all().length,
      vectors: nic.vfVectorsInUse(),
      objects: context.objectCount,
      spaces: nic.iommu.allocated(),
      pool: nic.iommu.poolUsed(),
      tags: nic.core.u32[CTL.TAGS_USED >> 2],
      events: nic.nextEventTime(),
    };
  }
}
