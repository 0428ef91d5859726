// SPDX-License-Identifier: Apache-2.0
// What others have, or have had: a TAP device that QEMU's own network card used before the server, and a function whose
// socket is taken when a running guest is given it.
import { afterEach, describe, expect, it } from 'vitest';

import { IS_VIRTFN, Lab } from './support/lab.ts';
import { macOf, rootPort } from './support/card.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { boundDriver } from './support/pci.ts';
import { configure, download, ping, shareFile } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const FILE_BYTES = 8 << 20;
const ALL_OF_100 = { sent: 100, received: 100 };

// one kernel tells as much as two here
describe.runIf(IS_VIRTFN).each(kernelsOfThisRun().slice(0, 1))('what others had before, kernel %s', (kernel) => {
  let lab: Lab;
  afterEach(() => lab.close());

  it('a TAP device on which QEMU left its offloads carries TCP', async () => {
    lab = await Lab.open({ functions: ['vf1'] });
    const file = shareFile(lab.network, lab.folder, FILE_BYTES);
    await lab.virtfn.end('SIGTERM');
    const before = await lab.boot({
      kernel,
      devices: [
        ...rootPort(1),
        '-netdev',
        'tap,id=net,ifname=wire,script=no,downscript=no',
        '-device',
        `virtio-net-pci,bus=rp1,netdev=net,mac=${macOf('vf1')}`,
      ],
    });
    await configure(before, ADDRESS);
    expect((await download(before, file)).sha256).toBe(file.sha256);
    await before.kill(); // it has no time to clear up

    await lab.virtfn.startAgain();
    const guest = await lab.boot({ kernel, fn: 'vf1' });
    await configure(guest, ADDRESS);

    expect((await download(guest, file)).sha256).toBe(file.sha256);
  });

  it('a function that is taken is refused to a running guest, which lives on and gets it later', async () => {
    lab = await Lab.open({ functions: ['vf1'] });
    const holder = await lab.boot({ kernel, fn: 'vf1' });
    await configure(holder, ADDRESS);
    const guest = await lab.boot({ kernel, devices: rootPort(1) });
    const plug = (): Promise<void> => guest.qmp.execute('device_add', { ...lab.virtfn.device('vf1', 1), id: 'nic' });

    await expect(plug()).rejects.toThrow(/busy/i);
    expect(await guest.run('echo alive')).toBe('alive\n');
    expect(await ping(holder, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);

    await holder.kill();
    await lab.virtfn.untilFree('vf1');
    await plug();
    await guest.run('i=0; until [ -e /sys/class/net/eth0 ]; do [ $((i = i + 1)) -lt 300 ] || exit; sleep 0.1; done');
    expect(await boundDriver(guest)).toBe('virtio-pci');
    await configure(guest, ADDRESS);
    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
    expect(guest.complaints()).toEqual([]);
  });
});
