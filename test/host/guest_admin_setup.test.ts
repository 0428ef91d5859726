// SPDX-License-Identifier: Apache-2.0
// The commands that Linux sends when the PF's driver sets DRIVER_OK, byte for byte.
import { describe, expect, it } from 'vitest';

import { activateAdmin } from '../../src/guest/admin_setup.ts';
import { DEVICE_PARTS_COMMANDS, LEGACY_COMMANDS } from '../../src/guest/index.ts';
import { AdminDevice, answerBytes, type Command } from '../support/admin_device.ts';

const LINUX_MASK = 0x3e7fc;
const bitmap = (low: number) => [low & 0xff, (low >>> 8) & 0xff, (low >>> 16) & 0xff, low >>> 24, 0, 0, 0, 0];
const ok = (result: readonly number[] = []) => answerBytes(0, 0, result);
const line = ({ opcode, groupType, memberId, data, writable }: Command) =>
  `${opcode} group ${groupType} member ${memberId} data [${data.join(' ')}] result ${writable - 8}`;

/** Runs the bring-up against scripted answers; returns the commands sent. */
function run(answers: readonly (readonly number[])[], wanted = LINUX_MASK) {
  const admin = new AdminDevice();
  const log: string[] = [];
  for (const bytes of answers) {
    admin.onWait((command) => {
      log.push(line(command));
      return bytes;
    });
  }
  activateAdmin(admin.client, wanted);
  return { log, client: admin.client };
}

describe('admin bring-up', () => {
  it('the masks are 0x7c for legacy access, 0x3e780 for device parts, 0x3e7fc together', () => {
    expect(LEGACY_COMMANDS).toBe(0x7c);
    expect(DEVICE_PARTS_COMMANDS).toBe(0x3e780);
    expect(LEGACY_COMMANDS | DEVICE_PARTS_COMMANDS).toBe(0x3e7fc);
  });

  it('sends LIST_QUERY, LIST_USE, CAP_ID_LIST_QUERY, DEVICE_CAP_GET, DRIVER_CAP_SET', () => {
    const { log, client } = run([ok(bitmap(0x3ffff)), ok(), ok(bitmap(1)), ok([5, 3]), ok()]);

    expect(log).toEqual([
      '0 group 1 member 0 data [] result 8',
      '1 group 1 member 0 data [252 231 3 0 0 0 0 0] result 0', // 0x3e7fc, without bits 0 and 1
      '7 group 0 member 0 data [] result 8',
      '8 group 0 member 0 data [0 0 0 0 0 0 0 0] result 2',
      '9 group 0 member 0 data [0 0 0 0 0 0 0 0 3 3] result 0', // the smaller of both limits, twice
    ]);
    expect(client.supportedCommands).toBe(0x3e7fc);
    expect(client.devicePartsLimit).toBe(3);
  });

  it('uses only what the device lists', () => {
    const { log, client } = run([ok(bitmap(0x7f)), ok()]);

    expect(log[1]).toBe('1 group 1 member 0 data [124 0 0 0 0 0 0 0] result 0');
    expect(client.supportedCommands).toBe(0x7c);
  });

  it('CAP_ID_LIST_QUERY is not sent when bit 7 is not in the used list', () => {
    expect(run([ok(bitmap(0x7f)), ok()]).log).toHaveLength(2);
  });

  it('a short bitmap counts as zero where bytes are missing', () => {
    expect(run([ok([0x7f]), ok()]).client.supportedCommands).toBe(0x7c);
  });

  it('a failed LIST_USE leaves the used list empty', () => {
    const { log, client } = run([ok(bitmap(LINUX_MASK)), answerBytes(22, 1)]);

    expect(client.supportedCommands).toBe(0);
    expect(log).toHaveLength(2);
  });

  it('a failed LIST_QUERY ends the bring-up, and the PF lives on', () => {
    const { log, client } = run([answerBytes(22, 2)]);

    expect([log.length, client.supportedCommands, client.devicePartsLimit]).toEqual([1, 0, 0]);
  });

  it.each([
    ['the capability is not listed', [ok(bitmap(2))], 3],
    ['DEVICE_CAP_GET fails', [ok(bitmap(1)), answerBytes(22)], 4],
    ['DRIVER_CAP_SET fails', [ok(bitmap(1)), ok([8, 8]), answerBytes(22)], 5],
  ] as const)('there is no migration when %s', (_what, answers, commands) => {
    const { log, client } = run([ok(bitmap(LINUX_MASK)), ok(), ...answers]);

    expect(log).toHaveLength(commands);
    expect(client.devicePartsLimit).toBe(0);
    expect(client.supportedCommands).toBe(LINUX_MASK);
  });

  it('without legacy support the mask is 0x3e780', () => {
    const { client } = run([ok(bitmap(0x3ffff)), ok(), ok(bitmap(0))], DEVICE_PARTS_COMMANDS);

    expect(client.supportedCommands).toBe(0x3e780);
  });
});
