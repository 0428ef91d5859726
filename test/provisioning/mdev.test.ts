// SPDX-License-Identifier: Apache-2.0
// Mediated devices: what the legacy mdev interface answers, and that their DMA goes through pinned pages of an iommufd
// access and through nothing else.
import { describe, expect, it } from 'vitest';

import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY } from '../../assembly/abi/pci_header.ts';
import { MdevParent } from '../../src/provisioning/mdev.ts';
import type { SriovLifecycle } from '../../src/provisioning/sriov_lifecycle.ts';
import { VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_REQ_IRQ_INDEX } from '../../src/vfio/vfio_device.ts';
import { BROADCAST, frame, STRANGER } from '../conformance/ring/support/frames.ts';
import { iommufd, refusal, sriovHost, startModern } from './support/lifecycle_bench.ts';

const GUID = '11111111-2222-4333-8444-555555555555';
const OTHER = '11111111-2222-4333-8444-666666666666';
const TYPE = 'virtfn-net-1';

interface Bench {
  readonly host: SriovLifecycle;
  readonly parent: MdevParent;
}

function bench(
  options: { onDemandFunctions?: number; maxInstances?: number; mode?: 'timed' | 'functional' } = {},
): Bench {
  const { onDemandFunctions = 2, maxInstances, mode = 'functional' } = options;
  const host = sriovHost({ onDemandFunctions, mode, windowBytes: 16 << 20 });
  const parent = maxInstances === undefined ? new MdevParent(host) : new MdevParent(host, undefined, maxInstances);
  host.addChild(parent);
  return { host, parent };
}

describe('mdev_supported_types', () => {
  it('shows types with what is left of them, and who lives', () => {
    const { parent } = bench();
    parent.create(TYPE, GUID);

    expect(parent.supportedTypes()).toEqual([
      {
        id: 'virtfn-net-1',
        name: 'virtio-net, one queue pair',
        description: 'queue pairs: 1, vectors: 4, rings of 256',
        deviceApi: 'vfio-pci',
        availableInstances: 1,
        devices: [GUID],
      },
      {
        id: 'virtfn-net-4',
        name: 'virtio-net, four queue pairs',
        description: 'queue pairs: 4, vectors: 10, rings of 256',
        deviceApi: 'vfio-pci',
        availableInstances: 1,
        devices: [],
      },
    ]);
  });

  it('is empty while the PF has no driver', () => {
    const { host, parent } = bench();
    host.unbindPf();

    expect(parent.supportedTypes()).toEqual([]);
    expect(() => parent.create(TYPE, GUID)).toThrow(refusal('ENOENT'));
    host.bindPf();
    expect(parent.create(TYPE, GUID).state).toBe('registered');
  });
});

describe('create', () => {
  it.each(['', 'x', GUID.slice(1), `${GUID}0`, GUID.replace('1', 'g'), GUID.replaceAll('-', '+')])(
    "'%s': EINVAL",
    (guid) => {
      expect(() => bench().parent.create(TYPE, guid)).toThrow(refusal('EINVAL'));
    },
  );

  it('takes a line feed and capitals, which are the same device', () => {
    const { parent } = bench();
    const guid = 'ABCDEF01-2222-4333-8444-555555555555';

    expect(parent.create(TYPE, `${guid}\n`).guid).toBe(guid.toLowerCase());
    expect(() => parent.create(TYPE, guid.toLowerCase())).toThrow(refusal('EEXIST'));
    expect(() => parent.create('virtfn-net-4', guid)).toThrow(refusal('EEXIST'));
  });

  it('of a type that is not there: ENOENT', () => {
    expect(() => bench().parent.create('virtfn-blk', GUID)).toThrow(refusal('ENOENT'));
  });

  it('without instances left: EUSERS; without a function of the card: ENOSPC, and nothing stays', () => {
    const few = bench({ maxInstances: 1 });
    few.parent.create(TYPE, GUID);
    expect(() => few.parent.create(TYPE, OTHER)).toThrow(refusal('EUSERS'));

    const short = bench({ onDemandFunctions: 1, maxInstances: 2 });
    short.parent.create(TYPE, GUID);
    expect(() => short.parent.create(TYPE, OTHER)).toThrow(refusal('ENOSPC'));
    expect(short.parent.all().map(({ guid }) => guid)).toEqual([GUID]);
    expect(short.host.nodes.count).toBe(1);
    short.parent.device(GUID).remove();
    expect(short.parent.create(TYPE, OTHER).state).toBe('registered');
  });

  it('while the parent goes: ENODEV', () => {
    const { host, parent } = bench();
    const file = parent.create(TYPE, GUID).open();
    host.unbindPf();

    expect(() => parent.create(TYPE, OTHER)).toThrow(refusal('ENODEV'));
    file.close();
    expect(host.state).toBe('unbound');
  });
});

describe('a mediated device', () => {
  it('is what its type says, without a routing id and without PASID', () => {
    const { host, parent } = bench();
    const { core } = parent.create('virtfn-net-4', GUID);
    const { nic } = host.machine;

    expect(nic.provisioned(core!.fn)).toMatchObject({ queuePairs: 4, vectors: 10 });
    expect(nic.pasid(core!.fn)).toBeNull();
    expect(nic.functionAt(nic.routingId(core!.fn))).toBe(0);
  });

  it('is bound and unbound: EBUSY, ENODEV, no node', () => {
    const { host, parent } = bench();
    const device = parent.create(TYPE, GUID);
    const { fn } = device.core!;
    expect(() => device.bind()).toThrow(refusal('EBUSY'));
    device.unbind();

    expect(() => device.unbind()).toThrow(refusal('ENODEV'));
    expect(() => device.open()).toThrow(refusal('ENOENT'));
    expect(host.machine.nic.isPresent(fn)).toBe(false);
    device.bind();
    expect(device.state).toBe('registered');
    device.remove();
    expect(() => device.remove()).toThrow(refusal('ENOENT'));
    expect(() => device.bind()).toThrow(refusal('ENODEV'));
    expect(host.functions.inUse).toBe(0);
  });

  it('bound again when the functions of the card are gone: ENOSPC, and it stays without driver', () => {
    const first = bench({ onDemandFunctions: 1, maxInstances: 2 });
    const device = first.parent.create(TYPE, GUID);
    device.unbind();
    first.parent.create(TYPE, OTHER);

    expect(() => device.bind()).toThrow(refusal('ENOSPC'));
    expect(device.state).toBe('unbound');
  });

  it('removed while open: asks its user, and goes with the last file', () => {
    const { host, parent } = bench();
    const device = parent.create(TYPE, GUID);
    const file = device.open();
    file.bind(iommufd(host));
    let requests = 0;
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => requests++]);

    const remove = device.remove();

    expect([remove.isDone, requests, device.state]).toEqual([false, 1, 'bound-leaving']);
    expect(device.remove().isDone).toBe(true);
    expect(() => parent.create(TYPE, GUID)).toThrow(refusal('EEXIST'));
    file.close();
    expect([remove.isDone, device.state, parent.all().length]).toEqual([true, 'absent', 0]);
    expect(parent.create(TYPE, GUID).state).toBe('registered');
  });

  it('is told its user to attach no PASIDs: EOPNOTSUPP', () => {
    const { host, parent } = bench();
    const file = parent.create(TYPE, GUID).open();
    file.bind(iommufd(host));

    expect(() => file.attachPasid()).toThrow(refusal('EOPNOTSUPP'));
  });

  it('outlives a reset of the PF as a cold function', () => {
    const one = bench();
    const device = one.parent.create(TYPE, GUID);
    const { driver, file, received } = startModern(one.host, device);
    one.host.resetPf();
    expect(driver.transport.status()).toBe(0);

    file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    driver.start();
    one.host.machine.nic.receiveFrame(frame(BROADCAST, STRANGER));
    one.host.machine.settle();

    expect(received).toHaveLength(1);
  });
});

describe.each(['functional', 'timed'] as const)('DMA of a mediated device, %s', (mode) => {
  it('carries frames both ways between two of them', () => {
    const one = bench({ mode });
    const from = startModern(one.host, one.parent.create(TYPE, GUID));
    const to = startModern(one.host, one.parent.create(TYPE, OTHER));

    const out = frame(to.driver.mac, from.driver.mac);
    expect(from.driver.send(out)).toBe(true);
    one.host.machine.settle();

    expect(to.received).toEqual([out]);
    expect(one.host.machine.nic.counters()['dma_faults']).toBe(0);
  });

  it('pins what it touches, and lets all of it go when the mapping goes', () => {
    const one = bench({ mode });
    const device = one.parent.create(TYPE, GUID);
    const { context, ioas, driver } = startModern(one.host, device);
    driver.send(frame(STRANGER, driver.mac));
    one.host.machine.settle();
    expect(device.core!.mediated!.pinned).toBeGreaterThan(0);

    context.ioasUnmapAll(ioas);
    expect(device.core!.mediated!.pinned).toBe(0);

    const faults = one.host.machine.nic.counters()['dma_faults']!;
    driver.send(frame(STRANGER, driver.mac));
    one.host.machine.settle();
    expect(one.host.machine.nic.counters()['dma_faults']).toBeGreaterThan(faults);
    expect(device.core!.mediated!.pinned).toBe(0);
  });

  it('detached, closed, removed: nothing is pinned and no object is left', () => {
    const one = bench({ mode });
    const device = one.parent.create(TYPE, GUID);
    const { context, ioas, file, driver } = startModern(one.host, device);
    driver.send(frame(STRANGER, driver.mac));
    one.host.machine.settle();
    expect(device.core!.mediated!.pinned).toBeGreaterThan(0);
    file.attach(null);
    expect(device.core!.mediated!.pinned).toBe(0);
    file.attach({ id: ioas });
    file.attach({ id: context.ioasAlloc() });

    file.close();
    device.remove();

    expect(context.objectCount).toBe(2);
    context.close();
    expect(context.objectCount).toBe(0);
  });
});
