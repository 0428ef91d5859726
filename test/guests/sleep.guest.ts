// SPDX-License-Identifier: Apache-2.0
// Suspend to RAM: the guest's kernel puts the function to D3hot, QEMU resets its machine at the wake-up, and the driver has
// to set the function up again.
import { afterEach, describe, expect, it } from 'vitest';

import { Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { rebind } from './support/pci.ts';
import { configure, ping } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const ALL_OF_100 = { sent: 100, received: 100 };

describe.each(kernelsOfThisRun())('after suspend to RAM, kernel %s', (kernel) => {
  let lab: Lab;
  afterEach(() => lab.close());

  it.each([
    ['a modern VF', false, ''],
    ['a transitional VF with the legacy driver', true, 'virtio_pci.force_legacy=1'],
  ])('%s carries traffic, and is bound again', async (_what, transitional, append) => {
    lab = await Lab.open({ functions: ['vf1'], transitional });
    const guest = await lab.boot({ kernel, fn: 'vf1', append });
    await configure(guest, ADDRESS);
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);

    const sleeping = guest.run('echo deep >/sys/power/mem_sleep; echo mem >/sys/power/state', 120_000);
    await guest.qmp.untilEvent('SUSPEND');
    await guest.qmp.execute('system_wakeup');
    await sleeping;
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);

    await rebind(guest, 1);
    await configure(guest, ADDRESS);
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
    expect(guest.complaints()).toEqual([]);
  });
});
