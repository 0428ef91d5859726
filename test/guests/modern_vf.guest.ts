// SPDX-License-Identifier: Apache-2.0
// A VF with virtio_net on it by virtio 1.4's own interface: traffic, queues, interrupts, and what ethtool and sysfs do.
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { bind, boundDriver, deviceId, functionLevelReset, rebind, resetLoop, unbind } from './support/pci.ts';
import { record } from './support/report.ts';
import {
  itCarriesTraffic,
  itInterruptsBy,
  itLeavesNoComplaint,
  itSurvivesRebinding,
  itSurvivesReboot,
  type Scene,
} from './support/suites.ts';
import { configure, ping } from './support/traffic.ts';
import { kernelRelease, kernelsOfThisRun } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const VIRTIO_NET_F_MQ = 22;
const IDLE_SECONDS = 4;
const ALL_OF_100 = { sent: 100, received: 100 };

describe.each(kernelsOfThisRun())('a modern VF, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  const scene: Scene = { kernel, scenario: 'modern VF', lab: () => lab, guest: () => guest };

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1'], queuePairs: 2 });
    guest = await lab.boot({ kernel, fn: 'vf1', cpus: 2 });
    await configure(guest, ADDRESS);
  });
  afterAll(() => lab.close());

  it('is driven by the prepared kernel', async () => {
    expect(await guest.run('uname -r')).toBe(`${kernelRelease(kernel)}\n`);
    expect(await deviceId(guest)).toBe('0x1af4 0x1041');
    expect(await boundDriver(guest)).toBe('virtio-pci');
    expect(await guest.run('ethtool -i eth0')).toContain('driver: virtio_net');
  });

  itCarriesTraffic(scene);
  itInterruptsBy(
    /^PCI-MSIX-/,
    ['virtio0-config', 'virtio0-input.0', 'virtio0-output.0', 'virtio0-input.1', 'virtio0-output.1'],
    scene,
  );

  it.runIf(IS_VIRTFN)('is what the server reports', async () => {
    const [vf] = (await lab.virtfn.report()).functions;

    expect(vf).toMatchObject({ name: 'vf1', kind: 'modern', queues: 5 }); // two pairs and the control queue
    expect(vf!.status).toContain('DRIVER_OK');
    expect(vf!.features).toContain(VIRTIO_NET_F_MQ);
    expect(vf!.sent.frames).toBeGreaterThan(2000); // the pings
    expect(vf!.interrupts).toBeGreaterThan(1000);
  });

  it('leaves the server idle when the guest is', async () => {
    await sleep(500); // the last interrupts and timers of the traffic
    const before = lab.holdings(guest).cpuSeconds;
    await sleep(IDLE_SECONDS * 1000);
    const busy = lab.holdings(guest).cpuSeconds - before;

    record(kernel, scene.scenario, { idleCpuPercent: (100 * busy) / IDLE_SECONDS });
    expect(busy / IDLE_SECONDS).toBeLessThan(0.1);
  });

  it('counts by queue for ethtool', async () => {
    const kicks = async () => Number(/tx_kicks: (\d+)/.exec(await guest.run('ethtool -S eth0'))?.[1]);
    const before = await kicks();
    await ping(guest, HOST_ADDRESS, 100);

    expect((await kicks()) - before).toBeGreaterThanOrEqual(100);
  });

  it('changes the number of channels', async () => {
    const combined = async () => (await guest.run('ethtool -l eth0')).match(/(?<=Combined:\t)\d+/g)?.map(Number);
    expect(await combined()).toEqual([2, 2]);

    await guest.run('ethtool -L eth0 combined 1');
    expect(await combined()).toEqual([2, 1]);
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);

    await guest.run('ethtool -L eth0 combined 2');
    expect(await combined()).toEqual([2, 2]);
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
  });

  it('changes the MTU', async () => {
    await guest.run('ip link set eth0 mtu 1280');
    expect(await guest.run(`ping -q -c 3 -A -s 1400 ${HOST_ADDRESS}`)).toContain(' 3 packets received'); // fragments

    await guest.run('ip link set eth0 mtu 1500');
    expect(await guest.run(`ping -q -c 3 -A -s 1400 ${HOST_ADDRESS}`)).toContain(' 3 packets received');
  });

  itSurvivesReboot(scene);

  it('is reset 10,000 times from user space', async () => {
    await unbind(guest);
    record(kernel, scene.scenario, { resetUs: await resetLoop(guest, 'modern', 10_000) });
    await bind(guest);
    await configure(guest, ADDRESS);

    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
  });

  it('is reset as a function, without a driver and under one', async () => {
    await unbind(guest);
    await functionLevelReset(guest);
    await functionLevelReset(guest);
    await bind(guest);
    await functionLevelReset(guest);
    await rebind(guest, 1); // the driver does not notice the reset; it has to begin anew
    await configure(guest, ADDRESS);

    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
  });

  itSurvivesRebinding(scene);
  itLeavesNoComplaint(scene);
});
