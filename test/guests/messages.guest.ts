// SPDX-License-Identifier: Apache-2.0
// A guest whose memory has no file descriptor (plain `-m`): each access of the card is a message to QEMU and back.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { configure, ping } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

describe.each(kernelsOfThisRun().slice(0, 1))('a guest with memory of its own, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1'] });
    guest = await lab.boot({ kernel, fn: 'vf1', isMemoryShared: false });
    await configure(guest, GUEST_ADDRESSES[0]);
  });
  afterAll(() => lab.close());

  it('pings the host by interrupts without loss', async () => {
    expect(await ping(guest, HOST_ADDRESS, 200)).toMatchObject({ sent: 200, received: 200 });
    expect(guest.complaints()).toEqual([]);
  });
});
