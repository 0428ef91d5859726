// SPDX-License-Identifier: Apache-2.0
// The PF in a guest: its net device, the admin queue that Linux brings up, and INTx where there is no MSI-X.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
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
const VIRTIO_F_ADMIN_VQ = 41;
const LIST_QUERY = 0; // virtio 1.4 §2.13.1
const LIST_USE = 1;
const SR_IOV = 1; // group_type, §2.13

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

  it.runIf(IS_VIRTFN)('has its admin queue brought up: one LIST_QUERY, one LIST_USE', async () => {
    const { functions, adminCommands, adminOpcodesInUse } = await lab.virtfn.report();
    const pf = functions.find(({ name }) => name === 'pf')!;

    expect(pf.status).toContain('DRIVER_OK');
    expect(pf.features).toContain(VIRTIO_F_ADMIN_VQ);
    const header = { groupType: SR_IOV, memberId: 0, status: 0, qualifier: 0 };
    // opcode and group type le16, 12 reserved bytes, member id le64; what LIST_USE asks for is 0x7c as le64
    const zeros = '00'.repeat(12 + 8);
    expect(adminCommands).toMatchObject([
      { opcode: LIST_QUERY, commands: 1, errors: 0, first: [{ ...header, command: `00000100${zeros}` }] },
      {
        opcode: LIST_USE,
        commands: 1,
        errors: 0,
        first: [{ ...header, command: `01000100${zeros}7c00000000000000` }],
      },
    ]);
    expect(adminOpcodesInUse).toEqual([2, 3, 4, 5, 6]); // 0x7c: what Linux knows of what the card has
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
