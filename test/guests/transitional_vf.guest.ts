// SPDX-License-Identifier: Apache-2.0
// A VF behind the variant driver, which gives it the I/O BAR0 of a transitional device, with Linux's legacy driver on it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { bind, boundDriver, deviceId, features, resetLoop, unbind } from './support/pci.ts';
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
import { kernelsOfThisRun } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const VIRTIO_F_VERSION_1 = 32;
const LEGACY_COMMON_CFG_WRITE = 2; // virtio 1.4 §2.13.2
const LEGACY_COMMON_CFG_READ = 3;

describe.each(kernelsOfThisRun())('a VF behind the variant driver, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  const scene: Scene = { kernel, scenario: 'transitional VF', lab: () => lab, guest: () => guest };

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1'], transitional: true, timed: true });
    guest = await lab.boot({ kernel, fn: 'vf1', append: 'virtio_pci.force_legacy=1' });
    await configure(guest, ADDRESS);
  });
  afterAll(() => lab.close());

  it('is a transitional device with a legacy driver', async () => {
    expect(await deviceId(guest)).toBe('0x1af4 0x1000');
    expect(await boundDriver(guest)).toBe('virtio-pci');
    expect(await guest.run('ethtool -i eth0')).toContain('driver: virtio_net');
    expect((await features(guest))[VIRTIO_F_VERSION_1]).toBe('0');
  });

  itCarriesTraffic(scene);
  itInterruptsBy(/^PCI-MSIX-/, ['virtio0-config', 'virtio0-input.0', 'virtio0-output.0'], scene);
  itSurvivesReboot(scene);

  it('is reset 10,000 times from user space', async () => {
    await unbind(guest);
    record(kernel, scene.scenario, { resetUs: await resetLoop(guest, 'legacy', 10_000) });
    await bind(guest);
    await configure(guest, ADDRESS);

    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject({ sent: 100, received: 100 });
  });

  it.runIf(IS_VIRTFN)('is accessed by administration commands, each with its simulated time', async () => {
    const counts = async () => {
      const { adminCommands } = await lab.virtfn.report();
      return [LEGACY_COMMON_CFG_WRITE, LEGACY_COMMON_CFG_READ].map((opcode) =>
        adminCommands.find((row) => row.opcode === opcode)!,
      );
    };
    await unbind(guest);
    const before = await counts();
    await resetLoop(guest, 'legacy', 100); // in each round three writes and two reads, and a write at the end
    const after = await counts();
    await bind(guest);
    await configure(guest, ADDRESS);

    expect(after.map(({ commands }, i) => commands - before[i]!.commands)).toEqual([301, 200]);
    expect(after.map(({ errors }) => errors)).toEqual([0, 0]);
    expect(after.filter(({ minNs }) => minNs < 1000)).toEqual([]); // across the link and back takes longer
  });

  itSurvivesRebinding(scene);
  itLeavesNoComplaint(scene);
});
