// SPDX-License-Identifier: Apache-2.0
// Changes to one card file at the same time: what was answered with exit code 0 is in the file, whoever is killed meanwhile.
import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { withLock } from '../../src/files/lock.ts';
import { CliProgram } from '../support/cli_program.ts';

let program: CliProgram;
const at = (name: string): string => join(program.folder, name);

beforeAll(() => {
  program = new CliProgram();
  program.write('plan.json', {});
}, 60_000);
afterAll(() => program.remove());
beforeEach(() => {
  for (const name of readdirSync(program.folder)) if (name !== 'plan.json') rmSync(at(name));
  program.run('provision', 'apply', 'plan.json', '--card', 'card.json');
});

const modify = (vf: number): ChildProcess =>
  program.start('provision', 'modify', `vf${vf}`, '--vlan', `${vf}`, '--card', 'card.json');
/** Resolves when it says that it waits. */
const waiting = async (child: ChildProcess): Promise<string> => {
  let said = '';
  for await (const chunk of child.stderr!) {
    said += String(chunk);
    if (said.includes('\n')) return said;
  }
  return said;
};
const ended = async (child: ChildProcess): Promise<number | null> =>
  ((await once(child, 'exit')) as [number | null])[0];
const vlans = (): number[] => {
  const { functions } = JSON.parse(readFileSync(at('card.json'), 'utf8')) as { functions: { vlan: number }[] };
  return functions.map(({ vlan }) => vlan);
};
/** A number that no process has: of one that has ended. */
const deadPid = (): number => spawnSync('true').pid;

describe('virtfn provision modify', () => {
  it('keeps the changes of eight at the same time', async () => {
    const codes = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((vf) => ended(modify(vf))));

    expect(codes).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(vlans()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(readdirSync(program.folder).toSorted()).toEqual(['card.json', 'plan.json']);
  }, 60_000);

  it('keeps the changes of all that ended well where others are killed', async () => {
    const children = [1, 2, 3, 4, 5, 6, 7, 8].map((vf) => ({ vf, child: modify(vf) }));
    const all = Promise.all(children.map(({ child }) => ended(child)));
    let count = 0;

    // whoever has the lock is killed when it is seen for the first time, three times in a row
    const killer = setInterval(() => {
      for (const name of readdirSync(program.folder).filter((one) => /\.lock\.\d+$/.test(one))) {
        try {
          const { pid } = JSON.parse(readFileSync(at(name), 'utf8')) as { pid: number };
          const holder = children.find(({ child }) => child.pid === pid && child.signalCode === null);
          if (count < 3 && holder !== undefined && holder.child.kill('SIGKILL')) count++;
        } catch {
          // it has gone meanwhile
        }
      }
    }, 1);
    await all;
    clearInterval(killer);

    const good = children.filter(({ child }) => child.exitCode === 0).map(({ vf }) => vf);
    expect(good.length).toBeGreaterThanOrEqual(5);
    for (const vf of good) expect(vlans()).toContain(vf);
  }, 60_000);

  it('writes through a link, and leaves it a link', async () => {
    symlinkSync('card.json', at('link.json'));

    const { code } = program.run('provision', 'modify', 'vf1', '--vlan', '5', '--card', 'link.json');

    expect(code).toBe(0);
    expect(lstatSync(at('link.json')).isSymbolicLink()).toBe(true);
    expect(vlans()).toEqual([5]);
  });

  it.each([
    ['modify', 'vf1', '--vlan', '5', '--json=card.json.lock.0'],
    ['modify', 'vf1', '--vlan', '5', '--json=./card.json.lock.of.1'],
    ['apply', 'card.json.lock.0'],
  ])('uses no name of a lock for anything else: %s %s %s %s %s', (...args) => {
    if (args[0] === 'apply') program.write('card.json.lock.0', {});
    const before = readdirSync(program.folder).toSorted();

    const { code, stderr } = program.run('provision', ...args.filter(Boolean), '--card', 'card.json');

    expect(stderr).toMatch(/card\.json\.lock\.\S+ is where a lock of --card card\.json lies; choose another place\n$/);
    expect(code).toBe(2);
    expect(readdirSync(program.folder).toSorted()).toEqual(before);
    expect(vlans()).toEqual([]);
  });

  it('leaves no lock where none can be written', () => {
    const line = `ulimit -f 0; ${process.execPath} ${program.file} provision modify vf1 --vlan 5 --card card.json`;
    const { status, stderr } = spawnSync('bash', ['-c', line], { cwd: program.folder, encoding: 'utf8' });

    expect(stderr).toContain('card.json: larger than files may be here');
    expect(status).toBe(1);
    expect(readdirSync(program.folder).toSorted()).toEqual(['card.json', 'plan.json']);
  });
});

describe('a lock', () => {
  const lockFile = (number: number, pid: number, host = hostname()): void =>
    writeFileSync(at(`card.json.lock.${number}`), JSON.stringify({ pid, host }));

  it('of processes that were killed is taken over, and cleared away', () => {
    lockFile(0, deadPid());
    lockFile(1, deadPid());
    const waited = deadPid();
    writeFileSync(at(`card.json.lock.of.${waited}`), JSON.stringify({ pid: waited, host: hostname() }));

    expect(withLock(at('card.json'), () => readdirSync(program.folder).toSorted())).toEqual([
      'card.json',
      'card.json.lock.0',
      'card.json.lock.1',
      'card.json.lock.2',
      `card.json.lock.of.${waited}`,
      'plan.json',
    ]);
    expect(readdirSync(program.folder).toSorted()).toEqual(['card.json', 'plan.json']);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'is left nothing of by who waits and gets %s',
    async (signal) => {
      lockFile(0, process.ppid);
      const child = modify(1);
      await waiting(child);

      child.kill(signal);

      expect(await ended(child)).toBe(null);
      expect(readdirSync(program.folder).toSorted()).toEqual(['card.json', 'card.json.lock.0', 'plan.json']);
    },
    60_000,
  );

  it('is one for all names of a file', () => {
    symlinkSync('card.json', at('link.json'));

    expect(withLock(at('link.json'), () => readdirSync(program.folder))).toContain('card.json.lock.0');
  });

  it('is let go where the work fails', () => {
    const work = (): never => {
      throw new Error('of the work');
    };

    expect(() => withLock(at('card.json'), work)).toThrow('of the work');
    expect(readdirSync(program.folder).toSorted()).toEqual(['card.json', 'plan.json']);
  });

  it.each([
    ['a process that is there', (): [number, string] => [process.ppid, hostname()]],
    ['a process of another machine', (): [number, string] => [deadPid(), 'elsewhere']],
  ])(
    'of %s is respected',
    async (_who, holder) => {
      const [pid, host] = holder();
      lockFile(0, pid, host);
      const child = modify(1);

      expect(await waiting(child)).toBe(`virtfn: card.json: process ${pid} of ${host} works on it; waiting\n`);
      expect(vlans()).toEqual([]);
      rmSync(at('card.json.lock.0'));

      expect(await ended(child)).toBe(0);
      expect(vlans()).toEqual([1]);
    },
    60_000,
  );
});
