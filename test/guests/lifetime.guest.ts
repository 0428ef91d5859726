// SPDX-License-Identifier: Apache-2.0
// What stays when one side goes: a QEMU that is killed in the middle of traffic, a server that is ended or killed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { configure, ping, SHARED_FILE_URL, shareFile } from './support/traffic.ts';
import { kernelsOfThisRun, TREE } from './support/tree.ts';

const [ADDRESS] = GUEST_ADDRESSES;
const ALL_OF_100 = { sent: 100, received: 100 };

describe.each(kernelsOfThisRun())('what stays, kernel %s', (kernel) => {
  let lab: Lab;

  beforeEach(async () => {
    lab = await Lab.open({ functions: ['vf1'] });
  });
  afterEach(() => lab.close());

  const bootWithAddress = async (): Promise<Guest> => {
    const guest = await lab.boot({ kernel, fn: 'vf1' });
    await configure(guest, ADDRESS);
    return guest;
  };

  it('serves the next guest after QEMU was killed in the middle of traffic', async () => {
    shareFile(lab.network, lab.folder, 16 << 20);
    let guest = await bootWithAddress();
    const before = lab.holdings(guest);
    for (const _ of [1, 2]) {
      await guest.run(`while wget -q -O /dev/null ${SHARED_FILE_URL}; do :; done >/dev/null &
        ping -A -q ${HOST_ADDRESS} >/dev/null &`);
      await sleep(500);
      const packets = lab.network.packets('wire');
      await sleep(200);
      expect(lab.network.packets('wire') - packets).toBeGreaterThan(10);
      await guest.kill();
      guest = await bootWithAddress();
    }

    expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
    expect(lab.holdings(guest).descriptors).toBe(before.descriptors);
  });

  describe.runIf(IS_VIRTFN)('of the server', () => {
    const sockets = () => readdirSync(join(TREE, lab.folder)).filter((name) => name.endsWith('.sock'));

    it('is no file when it is ended, with a guest or without', async () => {
      expect(sockets()).toEqual(['vf1.sock']);
      expect(await lab.virtfn.end('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(sockets()).toEqual([]);

      await lab.virtfn.startAgain();
      await bootWithAddress();
      expect(await lab.virtfn.end('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(sockets()).toEqual([]);
    });

    it('is the first when a second one wants its sockets', async () => {
      const { code, printed } = await lab.virtfn.startRival();
      expect(code).toBeGreaterThan(0);
      expect(printed).toContain('vf1.sock');

      expect(await ping(await bootWithAddress(), HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
    });

    it('is a way on when it is killed: the same command starts it again', async () => {
      const orphan = await bootWithAddress();
      await lab.virtfn.end('SIGKILL');
      await orphan.kill();
      await lab.virtfn.startAgain();
      const guest = await bootWithAddress();

      expect(await ping(guest, HOST_ADDRESS, 100)).toMatchObject(ALL_OF_100);
    });
  });
});
