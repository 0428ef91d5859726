// SPDX-License-Identifier: Apache-2.0
// The PF in a guest: its net device, the admin queue that Linux brings up, and INTx where there is no MSI-X.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { Lab } from './support/lab.ts';
import { GUEST_ADDRESSES } from './support/network.ts';
import { boundDriver, deviceId } from './support/pci.ts';
import {
  itCarriesTraffic,
  itInterruptsBy,
  itLeavesNoComplaint,
  itSurvivesReboot,
  type Scene,
} from './support/suites.ts';
import { configure } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;

describe.each(kernelsOfThisRun())('the PF, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  const scene: Scene = { kernel, scenario: 'PF', lab: () => lab, guest: () => guest };

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['pf'] });
    guest = await lab.boot({ kernel, fn: 'pf' });
    await configure(guest, ADDRESS);
  });
  afterAll(() => lab.close());

  it('is driven by virtio_net', async () => {
    expect(await deviceId(guest)).toBe('0x1af4 0x1041');
    expect(await boundDriver(guest)).toBe('virtio-pci');
    expect(await guest.run('ethtool -i eth0')).toContain('driver: virtio_net');
  });

  itCarriesTraffic(scene);
  itSurvivesReboot(scene);
  itLeavesNoComplaint(scene);
});

describe.each(kernelsOfThisRun())('the PF without MSI-X, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  const scene: Scene = { kernel, scenario: 'PF by INTx', lab: () => lab, guest: () => guest };

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['pf'] });
    guest = await lab.boot({ kernel, fn: 'pf', append: 'pci=nomsi' });
    await configure(guest, ADDRESS);
  });
  afterAll(() => lab.close());

  itInterruptsBy(/^IO-APIC$/, ['virtio0'], scene);
  itCarriesTraffic(scene);
  itLeavesNoComplaint(scene);
});
