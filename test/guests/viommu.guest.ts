// SPDX-License-Identifier: Apache-2.0
// Behind a virtual IOMMU the guest decides what the card reaches: Linux's own driver, then DPDK's testpmd on vfio-pci, which
// maps and unmaps all of its memory each time it is started.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { boundDriver, FUNCTION_ADDRESS, unbind } from './support/pci.ts';
import { Testpmd } from './support/testpmd.ts';
import { configure, ping, pingFromHost } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [LINUX_ADDRESS, DPDK_ADDRESS] = GUEST_ADDRESSES;
const STARTS = [1, 2, 3];

describe.each(kernelsOfThisRun())('a VF behind intel-iommu, kernel %s', (kernel) => {
  let lab: Lab;
  let guest: Guest;
  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1'] });
    guest = await lab.boot({
      kernel,
      fn: 'vf1',
      devices: ['-device', 'intel-iommu,caching-mode=on'],
      append: 'intel_iommu=on iommu=nopt hugepages=64',
      cpus: 2,
      hasTools: true,
    });
  });
  afterAll(() => lab.close());

  it('is driven by Linux', async () => {
    await configure(guest, LINUX_ADDRESS);

    expect(await guest.run(`ls /sys/bus/pci/devices/${FUNCTION_ADDRESS}/iommu_group/devices`)).toContain('01:00.0');
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject({ sent: 100, received: 100 });
  });

  it('goes to vfio-pci', async () => {
    await unbind(guest);
    await guest.run(`
      for module in irqbypass vfio vfio_iommu_type1 vfio-pci-core vfio-pci; do insmod /lib/modules/$module.ko || exit; done
      echo vfio-pci >/sys/bus/pci/devices/${FUNCTION_ADDRESS}/driver_override
      echo ${FUNCTION_ADDRESS} >/sys/bus/pci/drivers_probe`);

    expect(await boundDriver(guest)).toBe('vfio-pci');
  });

  it.each(STARTS)('answers pings by testpmd, start %i', async () => {
    const testpmd = await Testpmd.start(guest);
    const { sent, received } = pingFromHost(lab.network, DPDK_ADDRESS, 50);
    const printed = await testpmd.stop();

    expect({ sent, received, printed }).toMatchObject({ sent: 50, received: 50 });
  });

  it('leaves no complaint, of the IOMMU or of the server', () => {
    expect(guest.complaints()).toEqual([]);
    expect(guest.console()).not.toContain('DMAR: [DMA'); // faults
    if (IS_VIRTFN) expect(lab.virtfn.complaints).toBe('');
  });
});
