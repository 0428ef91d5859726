// SPDX-License-Identifier: Apache-2.0
// Two guests, each with a VF of one card: what one sends to the other goes through the card's switch.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { Lab } from './support/lab.ts';
import { GUEST_ADDRESSES, HOST_ADDRESS } from './support/network.ts';
import { record } from './support/report.ts';
import { configure, ping } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [FIRST_ADDRESS, SECOND_ADDRESS] = GUEST_ADDRESSES;
const PINGS = 1000;
const MEBIBYTES = 16;

describe.each(kernelsOfThisRun())('two guests on one card, kernel %s', (kernel) => {
  let lab: Lab;
  let first: Guest;
  let second: Guest;

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1', 'vf2'] });
    first = await lab.boot({ kernel, fn: 'vf1' });
    second = await lab.boot({ kernel, fn: 'vf2' });
    await configure(first, FIRST_ADDRESS);
    await configure(second, SECOND_ADDRESS);
  });
  afterAll(() => lab.close());

  it('ping each other without loss', async () => {
    const { sent, received, minMs, avgMs, maxMs } = await ping(first, SECOND_ADDRESS, PINGS);
    record(kernel, 'guest to guest', { pingMinMs: minMs, pingAvgMs: avgMs, pingMaxMs: maxMs });

    expect({ sent, received }).toEqual({ sent: PINGS, received: PINGS });
    expect(await ping(second, FIRST_ADDRESS, PINGS)).toMatchObject({ sent: PINGS, received: PINGS });
  });

  it('reach the host meanwhile', async () => {
    const replies = await Promise.all([ping(first, SECOND_ADDRESS, PINGS), ping(second, HOST_ADDRESS, PINGS)]);

    expect(replies.map(({ received }) => received)).toEqual([PINGS, PINGS]);
  });

  it('carry a file from one to the other', async () => {
    await first.run(`head -c ${MEBIBYTES << 20} /dev/urandom >/www/file; httpd -p 8000 -h /www`);
    await second.run(`wget -q -O /www/file http://${FIRST_ADDRESS}:8000/file`);

    expect(await second.run('sha256sum /www/file')).toBe(await first.run('sha256sum /www/file'));
  });

  it('leave no complaint on the consoles', () => {
    expect([...first.complaints(), ...second.complaints()]).toEqual([]);
  });
});
