// SPDX-License-Identifier: Apache-2.0
// SR-IOV's lifecycle against what Linux answers: each state of the PF and of a VF, each operation, and the errno typed
// here again.
import { describe, expect, it } from 'vitest';

import { PCI_COMMAND_IO } from '../../assembly/abi/pci_header.ts';
import type { SriovLifecycle } from '../../src/provisioning/sriov_lifecycle.ts';
import { VFIO_PCI_REQ_IRQ_INDEX } from '../../src/vfio/vfio_device.ts';
import { errnoOf, give, iommufd, refusal, sriovHost, use } from './support/lifecycle_bench.ts';

const PF_STATES: Record<string, (host: SriovLifecycle) => void> = {
  unbound: (host) => host.unbindPf(),
  ready: () => {},
  enabled: (host) => host.setNumVfs(2),
  dead: (host) => host.resetPf(),
  'dead-enabled': (host) => {
    host.setNumVfs(2);
    host.resetPf();
  },
};

const PF_OPERATIONS: Record<string, (host: SriovLifecycle) => void> = {
  'numvfs 1.5': (host) => host.setNumVfs(1.5),
  'numvfs -1': (host) => host.setNumVfs(-1),
  'numvfs 65536': (host) => host.setNumVfs(65536),
  'numvfs 5': (host) => host.setNumVfs(5),
  'numvfs 3': (host) => host.setNumVfs(3),
  'numvfs 2': (host) => host.setNumVfs(2),
  'numvfs 0': (host) => host.setNumVfs(0),
  bind: (host) => host.bindPf(),
  unbind: (host) => host.unbindPf(),
  reset: (host) => host.resetPf(),
};

/** Errno of each operation, in the order above; empty where it works. */
const PF_ERRNO: Record<string, string> = {
  unbound: 'EINVAL EINVAL EINVAL ERANGE ENOENT ENOENT - - ENODEV -',
  ready: 'EINVAL EINVAL EINVAL ERANGE - - - EBUSY - -',
  enabled: 'EINVAL EINVAL EINVAL ERANGE EBUSY - - EBUSY - -',
  dead: 'EINVAL EINVAL EINVAL ERANGE EBUSY EBUSY - EBUSY - -',
  'dead-enabled': 'EINVAL EINVAL EINVAL ERANGE EBUSY - EBUSY EBUSY - -',
};

const VF_STATES: Record<string, (host: SriovLifecycle) => void> = {
  absent: () => {},
  unbound: (host) => host.setNumVfs(1),
  virtio: (host) => {
    host.autoprobe = true;
    host.setNumVfs(1);
  },
  registered: (host) => {
    host.setNumVfs(1);
    give(host, 1);
  },
  opened: (host) => {
    host.setNumVfs(1);
    give(host, 1);
    host.vf(1).open();
  },
  bound: (host) => {
    host.setNumVfs(1);
    use(host, 1);
  },
  'bound-leaving': (host) => {
    host.setNumVfs(1);
    use(host, 1);
    host.setNumVfs(0);
  },
};

const VF_OPERATIONS: Record<string, (host: SriovLifecycle) => unknown> = {
  override: (host) => host.vf(1).setOverride('vfio-pci'),
  probe: (host) => host.vf(1).probe(),
  'bind, matching': (host) => host.vf(1).bind(host.vf(1).driverOverride === null ? 'virtio-pci' : 'virtio_vfio_pci'),
  'bind, not matching': (host) => host.vf(1).bind('vfio-pci'),
  'unbind from its driver': (host) => host.vf(1).unbind(host.vf(1).driver ?? 'virtio-pci'),
  'unbind from another': (host) => host.vf(1).unbind('vfio-pci'),
  reset: (host) => host.vf(1).reset(),
  open: (host) => host.vf(1).open(),
};

/** As above; `sleeps` where the caller has to wait for the user of the VF. */
const VF_ERRNO: Record<string, string> = {
  absent: 'ENOENT ENODEV ENODEV ENODEV ENODEV ENODEV ENOENT ENOENT',
  unbound: '- - - ENODEV ENODEV ENODEV - ENOENT',
  virtio: '- - EBUSY ENODEV - ENODEV - ENOENT',
  registered: '- - EBUSY ENODEV - ENODEV - -',
  opened: '- - EBUSY ENODEV sleeps ENODEV - -',
  bound: '- - EBUSY ENODEV sleeps ENODEV - -',
  'bound-leaving': 'sleeps - sleeps ENODEV sleeps ENODEV sleeps ENOENT',
};

/** A table of the test as cases. */
function cases(states: object, operations: object, errnos: Record<string, string>) {
  return Object.keys(states).flatMap((state) =>
    Object.keys(operations).map((operation, i) => ({ state, operation, answer: errnos[state]!.split(' ')[i]! })),
  );
}

/** What a call answers: errno, `sleeps`, or `-`. */
function answerOf(host: SriovLifecycle, operation: (host: SriovLifecycle) => unknown): string {
  const before = host.tasks.waiting;
  const code = errnoOf(() => operation(host));
  if (code !== '') return code;
  return host.tasks.waiting > before ? 'sleeps' : '-';
}

describe('the PF', () => {
  it.each(cases(PF_STATES, PF_OPERATIONS, PF_ERRNO))('$state, $operation: $answer', ({ state, operation, answer }) => {
    const host = sriovHost();
    PF_STATES[state]!(host);
    expect(host.state).toBe(state);

    expect(answerOf(host, PF_OPERATIONS[operation]!)).toBe(answer);
    if (answer !== '-') expect(host.state).toBe(state);
  });

  it('without VIRTIO_F_SR_IOV: EINVAL', () => {
    const host = sriovHost({ pf: { refusedFeatures: [37] } });

    expect(host.state).toBe('no-sriov');
    expect(() => host.setNumVfs(1)).toThrow(refusal('EINVAL'));
    host.unbindPf();
    host.bindPf();
    expect(host.state).toBe('no-sriov');
  });

  it('refuses what its own driver refuses', () => {
    const host = sriovHost();
    const { pf } = host.machine;
    host.setNumVfs(2);

    expect(() => pf.setNumVfs(3)).toThrow(refusal('EBUSY'));
    host.resetPf();
    expect(() => pf.setNumVfs(0)).toThrow(refusal('EBUSY'));
  });

  it('is bound anew as often as one likes, in the same memory', () => {
    const host = sriovHost();
    for (let i = 0; i < 50; i++) {
      host.setNumVfs(4);
      host.resetPf();
      host.unbindPf();
      host.bindPf();
    }

    host.setNumVfs(4);
    give(host, 4);
    expect(host.vf(4).kind).toBe('trans-lm');
  });
});

describe('a VF', () => {
  it.each(cases(VF_STATES, VF_OPERATIONS, VF_ERRNO))('$state, $operation: $answer', ({ state, operation, answer }) => {
    const host = sriovHost();
    VF_STATES[state]!(host);
    expect(host.vf(1).state).toBe(state);

    expect(answerOf(host, VF_OPERATIONS[operation]!)).toBe(answer);
  });

  it('is offered to virtio-pci with autoprobe, to nobody without', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    expect(host.vf(1).driver).toBeNull();
    host.vf(1).probe();
    expect(host.vf(1).driver).toBe('virtio-pci');
    host.setNumVfs(0);
    host.autoprobe = true;

    host.setNumVfs(2);

    expect(host.vfs.map(({ driver }) => driver)).toEqual(['virtio-pci', 'virtio-pci', null, null]);
  });

  it('under virtio-pci is dead after a reset', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    host.vf(1).probe();
    expect(host.vf(1).isDead).toBe(false);

    host.vf(1).reset();

    expect(host.vf(1).isDead).toBe(true);
  });

  it('loses its override with itself', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    give(host, 1);
    host.setNumVfs(0);
    host.setNumVfs(1);

    host.vf(1).probe();

    expect(host.vf(1).driver).toBe('virtio-pci');
  });

  it('of a dead PF: the variant driver gets no answer, vfio-pci asks for none', () => {
    const host = sriovHost();
    host.setNumVfs(2);
    host.resetPf();
    host.vf(1).setOverride('virtio_vfio_pci');

    expect(() => host.vf(1).bind('virtio_vfio_pci')).toThrow(expect.objectContaining({ code: 'ETIMEDOUT' }));
    expect(host.vf(1).state).toBe('unbound');
    give(host, 2, 'vfio-pci');
    expect(host.vf(2).state).toBe('registered');
  });
});

describe('the node', () => {
  it('has the lowest free number', () => {
    const host = sriovHost();
    host.setNumVfs(3);
    for (const vf of [1, 2, 3]) give(host, vf);
    expect(host.vfs.map(({ node }) => node?.path)).toEqual([
      '/dev/vfio/devices/vfio0',
      '/dev/vfio/devices/vfio1',
      '/dev/vfio/devices/vfio2',
      undefined,
    ]);
    host.vf(2).unbind('virtio_vfio_pci');
    host.vf(1).unbind('virtio_vfio_pci');

    give(host, 2);

    expect(host.vf(2).node?.number).toBe(0);
  });

  it('gives the device to one file only', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const first = use(host, 1);
    const second = host.vf(1).open();

    expect(() => second.bind(iommufd(host))).toThrow(refusal('EINVAL'));
    expect(() => first.bind(iommufd(host))).toThrow(refusal('EINVAL'));
    expect(() => second.reset()).toThrow(refusal('EINVAL'));
    expect(() => second.attach(null)).toThrow(refusal('EINVAL'));
    expect(() => second.read(7, 0, 4)).toThrow(refusal('EINVAL'));
    expect(first.read(7, 0, 4)).toBe(0x1000_1af4);

    first.close();
    expect(() => first.read(7, 0, 4)).toThrow(refusal('EBADF'));
    expect(() => first.close()).toThrow(refusal('EBADF'));
    second.bind(iommufd(host));
    expect(second.read(7, 0, 4)).toBe(0x1000_1af4);
  });

  it('resets the function at open, at VFIO_DEVICE_RESET and at close', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    give(host, 1);
    const resets = () => host.machine.nic.functionCounters(1)['resets'];
    const before = Number(resets());
    const file = host.vf(1).open();
    expect(resets()).toBe(before);

    file.bind(iommufd(host));
    file.reset();
    file.close();

    expect(resets()).toBe(before + 3);
  });

  it('survives a reset by sysfs: I/O decoding is off and the VF works on', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);
    file.write(7, 4, 2, PCI_COMMAND_IO);
    expect(errnoOf(() => file.read(0, 18, 1))).toBe('');

    host.vf(1).reset();

    expect(() => file.read(0, 18, 1)).toThrow(refusal('EIO'));
    file.write(7, 4, 2, PCI_COMMAND_IO);
    expect(file.read(0, 18, 1)).toBe(0);
  });

  it('of a VF whose PF is reset stays, and legacy access is never answered', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);

    host.resetPf();

    expect(host.machine.nic.isPresent(1)).toBe(true);
    expect(file.read(7, 0, 4)).toBe(0x1000_1af4);
    file.write(7, 4, 2, PCI_COMMAND_IO);
    expect(() => file.read(0, 18, 1)).toThrow(expect.objectContaining({ code: 'DEVICE_SILENT' }));
  });
});

describe('destroy while open', () => {
  it('numvfs 0 asks at once, sleeps, and ends with the last file', () => {
    const host = sriovHost();
    host.setNumVfs(2);
    const file = use(host, 2);
    const unbound = host.vf(2).open();
    let requests = 0;
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => requests++]);

    const write = host.setNumVfs(0);

    expect({ isDone: write.isDone, requests, state: host.state }).toEqual({
      isDone: false,
      requests: 1,
      state: 'draining',
    });
    expect(host.vfs.map(({ state }) => state)).toEqual(['absent', 'bound-leaving', 'absent', 'absent']);
    expect(file.read(7, 0, 4)).toBe(0x1000_1af4);
    expect(host.machine.nic.isPresent(2)).toBe(true);
    file.close();
    expect(write.isDone).toBe(false);
    unbound.close();
    expect(write.isDone).toBe(true);
    expect(write.error).toBeUndefined();
    expect(host.machine.nic.isPresent(2)).toBe(false);
    expect({ nodes: host.nodes.count, numVfs: host.numVfs, state: host.state }).toEqual({
      nodes: 0,
      numVfs: 0,
      state: 'ready',
    });
  });

  it('repeats the request every ten seconds', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);
    let requests = 0;
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => requests++]);
    host.setNumVfs(0);
    const cyclesPerSecond = 1e12 / host.machine.nic.profile.clockPs;

    host.machine.clock.advance(9.9 * cyclesPerSecond);
    expect(host.poll()).toBe(0);
    host.machine.clock.advance(0.2 * cyclesPerSecond);
    expect(host.poll()).toBe(1);
    expect(host.poll()).toBe(0);

    expect(requests).toBe(2);
  });

  it('a user who closes in the handler is waited for no longer', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => file.close()]);

    expect(host.setNumVfs(0).isDone).toBe(true);
  });

  it('who comes later waits his turn', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);
    const order: string[] = [];
    const note = (what: string) => () => order.push(what);
    host.setNumVfs(0).onDone(note('numvfs 0'));
    host.setNumVfs(3).onDone(note('numvfs 3'));
    const late = host.setNumVfs(2);
    host.unbindPf().onDone(note('unbind'));
    host.unbindPf().onDone(note('unbind again'));
    host.bindPf().onDone(note('bind'));
    expect(host.tasks.waiting).toBe(6);

    file.close();

    expect(order).toEqual(['numvfs 0', 'numvfs 3', 'unbind', 'unbind again', 'bind']);
    expect(late.error).toEqual(refusal('EBUSY'));
    expect({ state: host.state, numVfs: host.numVfs }).toEqual({ state: 'ready', numVfs: 0 });
  });

  it('unbind of the PF takes its VFs away, and waits for their users', () => {
    const host = sriovHost();
    host.setNumVfs(2);
    const file = use(host, 1);
    const unbind = host.unbindPf();
    expect(unbind.isDone).toBe(false);

    file.close();

    expect(unbind.isDone).toBe(true);
    expect(host.state).toBe('unbound');
    expect(host.machine.nic.isPresent(1)).toBe(false);
    host.bindPf();
    host.setNumVfs(2);
    expect(use(host, 1).read(7, 0, 4)).toBe(0x1000_1af4);
  });

  it('a VF that is unbound while the PF takes it away goes once', () => {
    const host = sriovHost();
    host.setNumVfs(1);
    const file = use(host, 1);
    const unbind = host.vf(1).unbind('virtio_vfio_pci');
    const write = host.setNumVfs(0);
    expect(host.vf(1).node?.requests).toBe(1);

    file.close();

    expect([unbind.isDone, write.isDone]).toEqual([true, true]);
    expect(host.vf(1).state).toBe('absent');
  });
});

it('1,024 VFs are provisioned, enabled and probed by the variant driver', () => {
  const host = sriovHost({ totalVfs: 1024 });
  const { nic } = host.machine;

  for (const { number } of host.vfs) nic.provision(number, { mtu: 1000 + number, vectors: 3 });
  host.setNumVfs(1024);
  for (const vf of host.vfs) {
    vf.setOverride('virtio_vfio_pci');
    vf.probe();
  }

  expect(new Set(host.vfs.map(({ kind }) => kind))).toEqual(new Set(['trans-lm']));
  expect(host.nodes.count).toBe(1024);
  expect(nic.provisioned(1024)).toMatchObject({ mtu: 2024, vectors: 3 });
  expect(host.vf(1024).node!.registered.device.irqInfo(2).count).toBe(3);
});
