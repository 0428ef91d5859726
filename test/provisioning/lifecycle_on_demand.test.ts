// SPDX-License-Identifier: Apache-2.0
// The on-demand interface: the same five steps for VFs, mediated devices and functions by PASID, side by side on one card;
// isolation by requester id and PASID; what is short, and that nothing of a failed step is left.
import { describe, expect, it } from 'vitest';

import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import type { DmaMemory } from '../../src/guest/platform.ts';
import type { IommufdContext } from '../../src/iommufd/context.ts';
import type { NicMode } from '../../src/device/profile.ts';
import { DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import { OnDemandFunctions, type OnDemandOptions } from '../../src/provisioning/on_demand.ts';
import type { FunctionKind } from '../../src/provisioning/on_demand_function.ts';
import type { SriovLifecycle } from '../../src/provisioning/sriov_lifecycle.ts';
import type { MachineOptions } from '../../src/machine/machine.ts';
import { VFIO_PCI_REQ_IRQ_INDEX } from '../../src/vfio/vfio_device.ts';
import { frame, STRANGER } from '../conformance/ring/support/frames.ts';
import { give, iommufd, refusal, sriovHost, startModern } from './support/lifecycle_bench.ts';

const SAME_IOVA = 0x4000_0000;
const KINDS: readonly FunctionKind[] = ['sriov', 'mdev', 'siov'];

interface Bench {
  readonly host: SriovLifecycle;
  readonly functions: OnDemandFunctions;
}

function bench(options: MachineOptions & OnDemandOptions = {}): Bench {
  const { lastPasid, ...machine } = options;
  const host = sriovHost({ totalVfs: 3, onDemandFunctions: 3, windowBytes: 24 << 20, ...machine });
  return { host, functions: new OnDemandFunctions(host, lastPasid === undefined ? {} : { lastPasid }) };
}

/** Memory that every user has at the same device address. */
class SameAddress implements DmaMemory {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly size: number;
  private readonly block: DmaBuffer;

  constructor({ machine }: SriovLifecycle, context: IommufdContext, ioas: number) {
    const map = (_iova: number, length: number, window: number): void => {
      context.ioasMap(ioas, { iova: SAME_IOVA, length, source: { window }, read: true, write: true });
    };
    this.block = new DmaBuffer(machine.nic, { map }, 2 << 20);
    this.u8 = this.block.u8;
    this.u16 = this.block.u16;
    this.u32 = this.block.u32;
    this.size = this.block.size;
  }

  alloc(bytes: number, align: number): number {
    return this.block.alloc(bytes, align);
  }

  iova(offset: number): number {
    return SAME_IOVA + offset;
  }
}

/** What would be left over. */
function leftovers({ host, functions }: Bench): unknown {
  const { nic } = host.machine;
  return {
    functions: functions.all.length,
    nodes: host.nodes.count,
    numbers: host.functions.inUse,
    pasids: functions.pasids.inUse,
    mdevs: functions.mdevs.all().length,
    present: Array.from({ length: nic.functions() - 1 }, (_, i) => i + 1).filter((fn) => nic.isPresent(fn)),
    numVfs: host.numVfs,
    spaces: nic.iommu.allocated(),
  };
}

const NOTHING = { functions: 0, nodes: 0, numbers: 0, pasids: 0, mdevs: 0, present: [], numVfs: 0, spaces: 1 };

describe.each(KINDS)('%s', (kind) => {
  it('create, configure, enable, use, destroy: and nothing is left', () => {
    const one = bench();
    const made = one.functions.create(kind);
    expect([made.state, made.device]).toEqual(['created', null]);
    expect(leftovers(one)).toEqual({ ...NOTHING, functions: 1 });
    made.configure({ mtu: 9000, mac: '02:00:00:00:00:77' });
    made.configure({ mtu: 2000, mac: '02:00:00:00:00:77' });
    expect(leftovers(one)).toEqual({ ...NOTHING, functions: 1 });

    expect(made.enable().path).toBe('/dev/vfio/devices/vfio0');
    const { driver, file, context } = startModern(one.host, made);
    expect([driver.mtu, [...driver.mac]]).toEqual([2000, [2, 0, 0, 0, 0, 0x77]]);
    driver.send(frame(STRANGER, driver.mac));
    one.host.machine.settle();
    expect(one.host.machine.nic.counters()['dma_faults']).toBe(0);

    file.close();
    expect(made.destroy().isDone).toBe(true);
    context.close();
    expect(made.state).toBe('gone');
    expect(leftovers(one)).toEqual(NOTHING);
  });

  it('refuses by the table: ENOENT, EBUSY, ENODEV', () => {
    const made = bench().functions.create(kind);
    expect(() => made.open()).toThrow(refusal('ENOENT'));
    made.enable();
    expect(() => made.enable()).toThrow(refusal('EBUSY'));
    expect(() => made.configure({})).toThrow(refusal('EBUSY'));
    made.destroy();

    for (const call of [() => made.configure({}), () => made.enable(), () => made.open(), () => made.destroy()]) {
      expect(call).toThrow(refusal('ENODEV'));
    }
  });

  it('names every bad value of a profile, and stays as it was', () => {
    const made = bench().functions.create(kind);

    expect(() => made.configure({ mtu: 1, vlan: 5000 })).toThrow(/mtu = 1.*vlan = 5000/);
    expect(made.state).toBe('created');
  });

  it('destroyed while in use: the user is asked, the caller sleeps, a second one too', () => {
    const one = bench();
    const made = one.functions.create(kind);
    made.enable();
    const { file } = startModern(one.host, made);
    let requests = 0;
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => requests++]);

    const first = made.destroy();
    const second = made.destroy();

    expect([first.isDone, second.isDone, requests, made.state]).toEqual([false, false, 1, 'leaving']);
    expect(() => made.open()).toThrow(refusal('ENOENT'));
    file.close();
    expect([first.isDone, first.error]).toEqual([true, undefined]);
    expect(second.error).toEqual(refusal('ENODEV'));
    expect(leftovers(one)).toMatchObject({ functions: 0, nodes: 0, numbers: 0, pasids: 0 });
  });

  it('loses its device with the driver of the PF, and can be enabled again', () => {
    const one = bench();
    const made = one.functions.create(kind);
    made.enable();
    const { file } = startModern(one.host, made);

    const unbind = one.host.unbindPf();
    expect(unbind.isDone).toBe(false);
    file.close();
    expect(unbind.isDone).toBe(true);
    expect(made.state).toBe('configured');
    expect(leftovers(one)).toMatchObject({ nodes: 0, numbers: 0, pasids: 0, present: [] });
    expect(() => made.enable()).toThrow(expect.objectContaining({ code: expect.stringMatching(/ENODEV|ENOENT/) }));

    one.host.bindPf();
    made.enable();
    expect(startModern(one.host, made).driver.transport.status()).toBe(15);
    expect(made.state).toBe('enabled');
  });

  it('comes back cold after a reset of the PF', () => {
    const one = bench();
    const made = one.functions.create(kind);
    if (kind !== 'sriov') made.configure({ mtu: 1600 });
    made.enable();
    const { driver } = startModern(one.host, made);

    one.host.resetPf();

    expect([made.state, driver.transport.status()]).toEqual(['enabled', 0]);
    expect(made.destroy().isDone).toBe(false);
  });
});

describe('all kinds on one card', () => {
  it.each<NicMode>(['functional', 'timed'])('send to each other, each through its own address space, %s', (mode) => {
    const one = bench({ mode });
    const made = KINDS.flatMap((kind) => [one.functions.create(kind), one.functions.create(kind)]).slice(0, 5);
    for (const each of made) each.enable();
    const running = made.map((each) => startModern(one.host, each));
    for (const from of running) {
      for (const to of running.filter((other) => other !== from)) {
        const bytes = frame(to.driver.mac, from.driver.mac);
        from.driver.send(bytes);
        one.host.machine.settle();
        expect(to.received.splice(0)).toEqual([bytes]);
      }
    }
    expect(one.host.machine.nic.counters()['dma_faults']).toBe(0);
  });

  it.each<NicMode>(['functional', 'timed'])('have their memory at the same addresses, and never meet, %s', (mode) => {
    const one = bench({ mode });
    const { nic, clock } = one.host.machine;
    const users = KINDS.map((kind) => {
      const made = one.functions.create(kind);
      made.enable();
      const context = iommufd(one.host);
      const ioas = context.ioasAlloc();
      const file = made.open();
      file.bind(context);
      file.attach({ id: ioas });
      const memory = new SameAddress(one.host, context, ioas);
      const driver = new VirtioNet(new VirtioModern(file), memory, clock);
      driver.start();
      nic.runToIdle();
      return { driver, memory };
    });

    for (const { driver, memory } of users) {
      const others = users.filter((user) => user.memory !== memory);
      const before = others.map((user) => user.memory.u8.slice());
      driver.send(frame(STRANGER, driver.mac));
      nic.receiveFrame(frame(driver.mac, STRANGER));
      nic.runToIdle();
      expect(driver.statistics().rxFrames).toBe(1);
      expect(others.every((user, i) => Buffer.compare(user.memory.u8, before[i]!) === 0)).toBe(true);
    }
    expect(nic.counters()['dma_faults']).toBe(0);
  });

  it('one that is detached faults, under its own name, and the others go on', () => {
    const one = bench({ onDemandFunctions: 2 });
    const [a, b] = [one.functions.create('siov'), one.functions.create('siov')];
    a.enable();
    b.enable();
    const first = startModern(one.host, a);
    const second = startModern(one.host, b);
    const before = second.context.takeFaults();
    first.file.attach(null);

    first.driver.send(frame(STRANGER, first.driver.mac));
    second.driver.send(frame(STRANGER, second.driver.mac));
    one.host.machine.settle();

    const { faults } = first.context.takeFaults();
    expect(faults.length).toBeGreaterThan(0);
    expect(new Set(faults.map(({ requesterId, pasid }) => `${requesterId} ${pasid}`))).toEqual(new Set(['256 1']));
    expect([before.faults, second.context.takeFaults().faults]).toEqual([[], []]);
  });
});

describe('what is short', () => {
  it('VFs: create tells', () => {
    const { functions } = bench({ totalVfs: 1 });
    functions.create('sriov');

    expect(() => functions.create('sriov')).toThrow(refusal('ENOSPC'));
  });

  it('functions of the card: enable tells, gives the PASID back, and may be tried again', () => {
    const one = bench({ onDemandFunctions: 1 });
    const [mdev, siov] = [one.functions.create('mdev'), one.functions.create('siov')];
    mdev.enable();

    expect(() => siov.enable()).toThrow(refusal('ENOSPC'));
    expect([siov.state, one.functions.pasids.inUse]).toEqual(['created', 0]);
    mdev.destroy();
    siov.enable();
    expect(one.functions.pasids.inUse).toBe(1);
  });

  it('PASIDs: enable tells, and gives the number of the function back', () => {
    const one = bench({ lastPasid: 1 });
    const [a, b] = [one.functions.create('siov'), one.functions.create('siov')];
    a.enable();

    expect(() => b.enable()).toThrow(refusal('ENOSPC'));
    expect(one.host.functions.inUse).toBe(1);
    a.destroy();
    b.enable();
  });

  it('MSI-X vectors of VFs: configure tells, and they come back with the function', () => {
    const one = bench({ totalVfs: 2, vfVectorPool: 8 });
    const { nic } = one.host.machine;
    const [a, b] = [one.functions.create('sriov'), one.functions.create('sriov')];
    expect(() => a.configure({ vectors: 5 })).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    b.configure({ vectors: 2 });
    a.configure({ vectors: 6 });
    expect(nic.vfVectorsInUse()).toBe(8);

    a.destroy();
    b.destroy();

    expect([1, 2].map((vf) => nic.provisioned(vf).vectors)).toEqual([4, 4]);
  });
});

describe('a VF among others', () => {
  it('VF Enable comes with the first and goes with the last', () => {
    const one = bench();
    one.host.autoprobe = true;
    const [a, b] = [one.functions.create('sriov'), one.functions.create('sriov')];
    a.enable();
    expect([one.host.numVfs, one.host.autoprobe, one.host.vf(3).driver]).toEqual([3, true, null]);
    b.enable();
    a.destroy();
    expect(one.host.numVfs).toBe(3);

    b.destroy();

    expect(one.host.numVfs).toBe(0);
  });

  it('takes a profile only before VF Enable', () => {
    const one = bench();
    const [a, b] = [one.functions.create('sriov'), one.functions.create('sriov')];
    a.enable();

    expect(() => b.configure({ mtu: 9000 })).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    b.configure({ vectors: 3 });
    b.enable();
    expect(one.host.vf(2).node!.registered.device.irqInfo(2).count).toBe(3);
  });

  it('that cannot be notified: ENOENT, and VF Enable goes again', () => {
    const one = bench();
    const made = one.functions.create('sriov');
    made.configure({ notify: 'none' });

    expect(() => made.enable()).toThrow(refusal('ENOENT'));
    expect([one.host.numVfs, made.state]).toEqual([0, 'configured']);
    made.configure({});
    made.enable();
    expect(one.host.vf(1).kind).toBe('trans-lm');
  });

  it('of a dead PF: EBUSY or ETIMEDOUT, and nothing stays', () => {
    const one = bench();
    one.host.resetPf();
    const made = one.functions.create('sriov');

    expect(() => made.enable()).toThrow(refusal('EBUSY'));
    expect(one.host.vf(1).driverOverride).toBeNull();
  });

  it('that somebody else drives, or enabled in another number: EBUSY', () => {
    const one = bench();
    one.host.setNumVfs(1);
    give(one.host, 1, 'vfio-pci');
    const [a, b] = [one.functions.create('sriov'), one.functions.create('sriov')];

    expect(() => a.enable()).toThrow(refusal('EBUSY'));
    expect(() => b.enable()).toThrow(refusal('EBUSY'));
    expect(one.host.vf(1).driver).toBe('vfio-pci');
    a.destroy();
    b.destroy();
    expect(one.host.numVfs).toBe(1);
  });
});
