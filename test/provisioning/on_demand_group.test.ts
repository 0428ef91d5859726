// SPDX-License-Identifier: Apache-2.0
// Administration commands for functions on demand: group 0x8000, which virtio does not have, member n is the nth of them.
// Statuses and qualifiers are those of virtio 1.4 §2.12.
import { describe, expect, it } from 'vitest';

import { Machine } from '../../src/machine/machine.ts';
import { MdevParent } from '../../src/provisioning/mdev.ts';
import { OnDemandFunctions } from '../../src/provisioning/on_demand.ts';
import { refusal, sriovHost } from './support/lifecycle_bench.ts';

const SRIOV = 1;
const ON_DEMAND = 0x8000;
const COMMON_CFG_READ = 3;
const NOTIFY_INFO = 6;
const STATUS_OFFSET = Uint8Array.of(18);
const EINVAL = 22;
const Q_INVALID_OPCODE = 2;
const Q_INVALID_GROUP = 4;
const Q_INVALID_MEMBER = 5;
const GUID = '11111111-2222-4333-8444-555555555555';

function machine(onDemandFunctions: number): Machine {
  return new Machine({ mode: 'functional', totalVfs: 3, numVfs: 2, onDemandFunctions });
}

function answer({ pf }: Machine, opcode: number, group: number, member: number): number[] {
  const isRead = opcode === COMMON_CFG_READ;
  const { status, qualifier } = pf.admin.exec(opcode, group, member, isRead ? STATUS_OFFSET : null, isRead ? 1 : 64);
  return [status, qualifier];
}

describe('the group of functions on demand', () => {
  it('is no group of a card that has none', () => {
    expect(answer(machine(0), COMMON_CFG_READ, ON_DEMAND, 1)).toEqual([EINVAL, Q_INVALID_GROUP]);
    expect(answer(machine(2), COMMON_CFG_READ, 2, 1)).toEqual([EINVAL, Q_INVALID_GROUP]);
  });

  it('has those that are there for members', () => {
    const card = machine(2);
    card.nic.createFunction(5, null);

    expect([0, 1, 2, 3].map((member) => answer(card, COMMON_CFG_READ, ON_DEMAND, member))).toEqual([
      [EINVAL, Q_INVALID_MEMBER],
      [EINVAL, Q_INVALID_MEMBER],
      [0, 0],
      [EINVAL, Q_INVALID_MEMBER],
    ]);
    card.nic.destroyFunction(5);
    expect(answer(card, COMMON_CFG_READ, ON_DEMAND, 2)).toEqual([EINVAL, Q_INVALID_MEMBER]);
  });

  it('changes nothing about the group of VFs', () => {
    const card = machine(2);
    card.nic.createFunction(4, null);
    card.nic.createFunction(5, null);

    expect([0, 1, 2, 3, 4, 5].map((member) => answer(card, NOTIFY_INFO, SRIOV, member)[1])).toEqual([
      Q_INVALID_MEMBER,
      0,
      0,
      Q_INVALID_MEMBER,
      Q_INVALID_MEMBER,
      Q_INVALID_MEMBER,
    ]);
  });

  it('has no list of its own', () => {
    expect([0, 1].map((opcode) => answer(machine(2), opcode, ON_DEMAND, 0))).toEqual([
      [EINVAL, Q_INVALID_OPCODE],
      [EINVAL, Q_INVALID_OPCODE],
    ]);
  });

  it('leaves out members without legacy access', () => {
    const card = machine(1);
    card.nic.provision(4, { legacy: false });
    card.nic.createFunction(4, 9);

    expect(answer(card, COMMON_CFG_READ, ON_DEMAND, 1)).toEqual([EINVAL, Q_INVALID_MEMBER]);
  });
});

describe('what the driver makes of it', () => {
  const deviceId = (functions: OnDemandFunctions, profile: object): number => {
    const made = functions.create('siov');
    made.configure(profile);
    return made.enable().registered.device.read(7, 2, 2);
  };

  it('a transitional function where the profile has legacy access, a modern one where not', () => {
    const functions = new OnDemandFunctions(sriovHost({ onDemandFunctions: 2 }));

    expect([deviceId(functions, {}), deviceId(functions, { legacy: false })]).toEqual([0x1000, 0x1041]);
  });

  it('none without a doorbell of its own: ENOENT; none while the PF is dead: ETIMEDOUT; nothing stays', () => {
    const host = sriovHost({ onDemandFunctions: 1 });
    const functions = new OnDemandFunctions(host);
    expect(() => deviceId(functions, { notify: 'none' })).toThrow(refusal('ENOENT'));
    host.resetPf();

    expect(() => deviceId(functions, {})).toThrow(refusal('ETIMEDOUT'));
    expect(() => functions.mdevs.create('virtfn-net-1', GUID)).toThrow(refusal('ETIMEDOUT'));
    expect([host.functions.inUse, functions.pasids.inUse, functions.mdevs.all().length]).toEqual([0, 0, 0]);
    expect(deviceId(functions, { legacy: false })).toBe(0x1041);
  });

  it('a mediated device too', () => {
    const host = sriovHost({ onDemandFunctions: 1 });
    const device = new MdevParent(host).create('virtfn-net-1', GUID);

    expect(device.node!.registered.device.regionInfo(0).size).toBe(32);
  });
});
