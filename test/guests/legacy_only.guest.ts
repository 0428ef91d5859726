// SPDX-License-Identifier: Apache-2.0
// A transitional function whose modern capabilities are left out: Linux takes the legacy interface without being told to.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { boundDriver, deviceId, features } from './support/pci.ts';
import { configure, ping } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const VIRTIO_F_VERSION_1 = 32;
const MEMORY = [
  ['shared with the card', true],
  ['of its own', false],
] as const;

// one kernel tells as much as two here
describe.runIf(IS_VIRTFN).each(kernelsOfThisRun().slice(0, 1))('a VF that is legacy only, kernel %s', (kernel) => {
  describe.each(MEMORY)('memory %s', (_what, isMemoryShared) => {
    let lab: Lab;
    let guest: Guest;
    beforeAll(async () => {
      lab = await Lab.open({ functions: ['vf1'], legacyOnly: true });
      guest = await lab.boot({ kernel, fn: 'vf1', isMemoryShared });
      await configure(guest, GUEST_ADDRESSES[0]);
    });
    afterAll(() => lab.close());

    it('is driven by the legacy interface and carries traffic', async () => {
      expect(await deviceId(guest)).toBe('0x1af4 0x1000');
      expect(await boundDriver(guest)).toBe('virtio-pci');
      expect((await features(guest))[VIRTIO_F_VERSION_1]).toBe('0');
      expect(await ping(guest, HOST_ADDRESS, 200)).toMatchObject({ sent: 200, received: 200 });
      expect(guest.complaints()).toEqual([]);
    });
  });
});
