// SPDX-License-Identifier: Apache-2.0
// One connection of iperf3 between two guests with four queues each, tagged and untagged in turn. A tagged flow is steered
// like any other: to one receive queue. How fast it is then depends on the machine, and stands in the report.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Guest } from './support/guest.ts';
import { Lab } from './support/lab.ts';
import { GUEST_ADDRESSES } from './support/network.ts';
import { interrupts } from './support/pci.ts';
import { record } from './support/report.ts';
import { configure } from './support/traffic.ts';
import { kernelsOfThisRun } from './support/tree.ts';

const [, RECEIVER] = GUEST_ADDRESSES;
const TAGGED = ['10.78.0.11', '10.78.0.12'] as const;
const ROUNDS = 3;
const QUEUES = 4;

describe.each(kernelsOfThisRun().slice(0, 1))('a connection inside a VLAN, kernel %s', (kernel) => {
  let lab: Lab;
  let sender: Guest;
  let receiver: Guest;

  beforeAll(async () => {
    lab = await Lab.open({ functions: ['vf1', 'vf2'], queuePairs: QUEUES });
    const options = { kernel, cpus: QUEUES, hasTools: true };
    sender = await lab.boot({ ...options, fn: 'vf1' });
    receiver = await lab.boot({ ...options, fn: 'vf2' });
    for (const [i, guest] of [sender, receiver].entries()) {
      await configure(guest, GUEST_ADDRESSES[i]!);
      await guest.run(`for module in llc stp garp mrp 8021q; do insmod /lib/modules/$module.ko || exit; done
        ip link add link eth0 name eth0.5 type vlan id 5 && ip address add ${TAGGED[i]}/24 dev eth0.5 && ip link set eth0.5 up`);
    }
    await receiver.run('iperf3 --server --daemon');
  });
  afterAll(() => lab.close());

  /** Bits a second, and how often each receive queue interrupted meanwhile. */
  async function transfer(address: string): Promise<{ rate: number; perQueue: number[] }> {
    const counts = async (): Promise<number[]> =>
      (await interrupts(receiver)).filter(({ name }) => name.includes('-input.')).map(({ count }) => count);
    const before = await counts();
    const output = await sender.run(`iperf3 --client ${address} --time 2 --json`);
    const after = await counts();
    const { end } = JSON.parse(output) as {
      end: { sum_received: { bits_per_second: number } };
    };
    return {
      rate: end.sum_received.bits_per_second,
      perQueue: after.map((count, i) => count - before[i]!),
    };
  }

  it('arrives in one queue, as it does outside', async () => {
    const untagged = [];
    const tagged = [];
    for (let round = 0; round < ROUNDS; round++) {
      untagged.push(await transfer(RECEIVER));
      tagged.push(await transfer(TAGGED[1]));
    }
    const median = (runs: readonly { rate: number }[]): number =>
      runs.map(({ rate }) => rate).sort((a, b) => a - b)[ROUNDS >> 1]!;
    record(kernel, 'VLAN', {
      taggedToUntagged: median(tagged) / median(untagged),
    });

    for (const { perQueue } of [...untagged, ...tagged]) {
      expect(perQueue).toHaveLength(QUEUES);
      const all = perQueue.reduce((sum, count) => sum + count, 0);
      expect(Math.max(...perQueue) / all, `interrupts by queue: ${perQueue.join(', ')}`).toBeGreaterThan(0.9);
    }
  });
});
