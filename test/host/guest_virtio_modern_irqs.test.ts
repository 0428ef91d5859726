// SPDX-License-Identifier: Apache-2.0
// How the modern transport shares out MSI-X vectors, and what is left without them.
import { describe, expect, it } from 'vitest';

import { VirtioModern, type AdminQueuePlan, type QueuePlan } from '../../src/guest/virtio_modern.ts';
import { PlainMemory } from '../support/plain_memory.ts';
import { RegisterFunction } from '../support/register_function.ts';

const error = (code: string) => expect.objectContaining({ code });
const nothing = () => undefined;
const NET_PLANS: readonly QueuePlan[] = [
  { index: 0, onUsed: nothing },
  { index: 1, onUsed: nothing },
  { index: 2, onUsed: null },
];

function setup(prepare: (device: RegisterFunction) => void = nothing) {
  const device = new RegisterFunction();
  prepare(device);
  const transport = new VirtioModern(device, { resetPollLimit: 10 });
  const memory = new PlainMemory();
  device.log.length = 0;
  return { device, transport, memory };
}

describe('MSI-X vectors', () => {
  const admin: AdminQueuePlan = { onUsed: nothing };
  const withAdmin = (device: RegisterFunction): void => void Object.assign(device, { adminNum: 1, adminIndex: 3 });

  it.each([
    { vectors: 4, policy: 'each', assigned: [1, 2, 0xffff, 3] },
    { vectors: 3, policy: 'shared-slow', assigned: [1, 2, 0xffff, 0] },
    { vectors: 2, policy: 'shared', assigned: [1, 1, 0xffff, 0] },
  ])('$vectors vectors: $policy', ({ vectors, policy, assigned }) => {
    const device = new RegisterFunction(4);
    withAdmin(device);
    device.vectors = vectors;
    const transport = new VirtioModern(device);
    transport.negotiate([]);

    transport.setupQueues(new PlainMemory(), NET_PLANS, nothing, admin);

    expect(transport.vectorPolicy).toBe(policy);
    expect(device.queues.map((queue) => queue.vector)).toEqual(assigned);
  });

  it('a vector that reads back as 0xffff moves on to the next policy, without new memory', () => {
    const device = new RegisterFunction(4);
    withAdmin(device);
    device.usableVectors = 2;
    const transport = new VirtioModern(device);
    const memory = new PlainMemory();
    transport.negotiate([]);

    const rings = transport.setupQueues(memory, NET_PLANS, nothing, admin);

    expect(transport.vectorPolicy).toBe('shared');
    expect(device.queues.map((queue) => queue.vector)).toEqual([1, 1, 0xffff, 0]);
    expect(device.log.filter((line) => line.startsWith('setIrqs'))).toEqual([
      'setIrqs 2 0 4',
      'setIrqs 2 0 3',
      'setIrqs 2 0 2',
    ]);
    expect(memory.used).toBeLessThan(5 * 4096); // four rings, each on a page, and what follows the last
    expect(rings).toHaveLength(4);
  });

  it('each vector runs the handlers of all its users', () => {
    const device = new RegisterFunction(4);
    withAdmin(device);
    device.vectors = 2;
    const calls: string[] = [];
    const transport = new VirtioModern(device);
    transport.negotiate([]);
    const noted = NET_PLANS.map((plan) => ({
      ...plan,
      onUsed: plan.onUsed && (() => calls.push(`queue ${plan.index}`)),
    }));
    const onUsed = () => calls.push('queue 3');
    transport.setupQueues(new PlainMemory(), noted, () => calls.push('config'), { onUsed });

    device.handlers[2]?.[0]?.(0, 0);
    device.handlers[2]?.[1]?.(1, 0);

    expect(calls).toEqual(['config', 'queue 3', 'queue 0', 'queue 1']);
  });

  it.each([2, 0])('interrupts one within the other end: index %d', (index) => {
    const device = new RegisterFunction();
    Object.assign(device, { vectors: index === 2 ? 4 : 0, intxCount: 1 });
    const transport = new VirtioModern(device);
    transport.negotiate([]);
    let depth = 0;
    const raise = (): void => {
      depth++;
      device.isr = 1;
      device.handlers[index]![index === 2 ? 1 : 0]!(0, 0);
    };
    transport.setupQueues(new PlainMemory(), [{ index: 0, onUsed: raise }], nothing);

    expect(raise).toThrow(error('DEVICE_FLOOD'));
    expect(depth).toBeLessThan(100);
  });

  it('without MSI-X the INTx handler reads ISR and serves what it names', () => {
    const device = new RegisterFunction();
    Object.assign(device, { vectors: 0, intxCount: 1 });
    const calls: string[] = [];
    const transport = new VirtioModern(device);
    transport.negotiate([]);
    transport.setupQueues(new PlainMemory(), [{ index: 0, onUsed: () => calls.push('queue') }], () =>
      calls.push('config'),
    );
    const raise = (isr: number) => {
      device.isr = isr;
      device.handlers[0]?.[0]?.(0, 0);
    };

    raise(0);
    raise(1);
    raise(2);
    raise(3);

    expect(transport.vectorPolicy).toBe('intx');
    expect(calls).toEqual(['queue', 'config', 'config', 'queue']);
  });

  it('a function with one vector and no INTx is ENOSPC', () => {
    const device = new RegisterFunction();
    device.vectors = 1;
    const transport = new VirtioModern(device);
    transport.negotiate([]);

    expect(() => transport.setupQueues(new PlainMemory(), NET_PLANS, nothing)).toThrow(error('ENOSPC'));
  });

  it('shutdown() resets the device and gives the vectors back', () => {
    const { device, transport, memory } = setup();
    transport.negotiate([]);
    transport.setupQueues(memory, NET_PLANS, nothing);
    device.log.length = 0;

    transport.shutdown();

    const vector = (queue: number): string[] => [
      `w common+22 2 0x${queue}`,
      'w common+26 2 0xffff',
      'r common+26 2 = 0xffff',
    ];
    expect(device.log).toEqual([
      'w common+20 1 0x0',
      'r common+20 1 = 0x0',
      ...[0, 1, 2].flatMap(vector),
      'w common+16 2 0xffff',
      'r common+16 2 = 0xffff',
      'disableIrqs 2',
      'r common+20 1 = 0x0',
      'r common+20 1 = 0x0',
      'w common+20 1 0x1',
    ]);
  });
});
