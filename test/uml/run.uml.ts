// SPDX-License-Identifier: Apache-2.0
// `virtfn uml run`: what becomes of a script in a guest, of its limits and patterns, and of everything that was needed for it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { orWhyNot, umlKernel, UmlRuns } from './support/uml_runs.ts';

const kernel = umlKernel('plain');
let guest: UmlRuns;

beforeAll(() => {
  guest = new UmlRuns(kernel!);
});
afterAll(() => guest.remove());

const NOTHING = { files: [], processes: [] };

describe.skipIf(kernel === null)(orWhyNot('virtfn uml run', 'plain'), () => {
  it('ends with the exit code of the script, whose console it shows from the first line of the kernel on', () => {
    const { code, stdout, stderr, report } = guest.run('echo "in the guest"\nexit 7');

    expect(code).toBe(7);
    expect(stdout).toMatch(/^\[ +0\.0+\] Linux version /);
    expect(stdout).toContain('\nin the guest\n');
    expect(stderr).toBe('virtfn: the script ended with 7\n');
    expect(report).toMatchObject({ result: 'script', exitCode: 7 });
    expect(guest.left()).toEqual(NOTHING);
  });

  it('gives the script its words and files', () => {
    guest.program.write('note.txt', 'from outside');
    const { code, console } = guest.run(
      'echo "$# words: $1, $2"; cat note.txt',
      '--file',
      'note.txt',
      '--',
      'a b',
      '$c',
    );

    expect(code).toBe(0);
    expect(console).toContain('2 words: a b, $c\nfrom outside');
  });

  it('passes simulated time where the guest waits, and none where it works', () => {
    const script = 'cut -d" " -f1 /proc/uptime >a; sleep 1000; cut -d" " -f1 /proc/uptime >b; echo "$(cat a) $(cat b)"';
    const { code, report } = guest.run(script, '--time-limit', '2000');

    expect(code).toBe(0);
    expect(report.guestSeconds).toBe(1000);
  });

  it('is refused one clock with a card that has no time', () => {
    const program = guest.program.run('uml', 'run', '1.sh', '--mode', 'functional', '--time-travel', 'ext');

    expect({ code: program.code, stderr: program.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/--time-travel: a functional card has no time; add --mode timed/),
    });
  });

  it('ends with 124 where a limit is reached', () => {
    const late = guest.run('sleep 1000; echo too late', '--time-limit', '10');
    expect({ code: late.code, result: late.report.result }).toEqual({ code: 124, result: 'time-limit' });
    expect(late.console).not.toContain('too late');

    const busy = guest.run('while true; do :; done', '--wall-limit', '3');
    expect({ code: busy.code, result: busy.report.result }).toEqual({ code: 124, result: 'wall-limit' });
  });

  it('ends with 125 where the kernel does, and says why', () => {
    const { code, stderr, report } = guest.run('echo c >/proc/sysrq-trigger');

    expect({ code, result: report.result }).toEqual({ code: 125, result: 'died' });
    expect(stderr).toContain('Kernel panic - not syncing: sysrq triggered crash');
  });

  it('ends with 121 or 122 for patterns, but with the code of a script that failed', () => {
    const patterns = ['--expect', 'one [0-9]', '--fail-on', 'two'];

    expect(guest.run('echo one 1', ...patterns).code).toBe(0);
    expect(guest.run('echo one 1; echo two', ...patterns).code).toBe(121);
    expect(guest.run('echo one', ...patterns).code).toBe(122);
    expect(guest.run('echo two; exit 3', ...patterns).code).toBe(3);
  });

  it.each(['inf-cpu', 'ext'])(
    'is the same to the byte each time with %s: console, commands and traces',
    (timeTravel) => {
      const script = 'enable_vfs 2; bind $(vf 2) virtio_vfio_pci; vfio $(vf 2) legacy 2 0; sleep 3; date';
      const files = [
        'console.log',
        'admin.json',
        'admin.txt',
        'card.vcd',
        'card.perfetto-trace',
        'frames.pcapng',
        'tlps.pcapng',
      ];
      const contents = [`one-${timeTravel}`, `other-${timeTravel}`].map((folder) => {
        expect(guest.run(script, '--vfs', '2', '--time-travel', timeTravel, '--output', folder).code).toBe(0);
        return files.map((name) => readFileSync(join(guest.program.folder, folder, name)));
      });

      const [one, other] = contents.map((content) => new Map(files.map((name, i) => [name, content[i]!])));
      expect(files.filter((name) => one!.get(name)!.length === 0)).toEqual([]);
      expect(files.filter((name) => !one!.get(name)!.equals(other!.get(name)!))).toEqual([]);
    },
  );

  it('takes away what a run left that was killed', async () => {
    guest.program.write('long.sh', 'echo waiting; sleep 100000');
    const child = guest.program.startWith(
      guest.env,
      'uml',
      'run',
      'long.sh',
      '--kernel',
      kernel!,
      '--time-travel',
      'off',
    );
    let shown = '';
    while (!shown.includes('waiting')) shown += String((await once(child.stdout!, 'data'))[0]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(guest.left().files).toHaveLength(1);

    expect(guest.run('true').code).toBe(0);
    expect(guest.left()).toEqual(NOTHING);
  });

  it('leaves no process and no file where it is interrupted', async () => {
    guest.program.write('long.sh', 'echo waiting; sleep 100000');
    const child = guest.program.startWith(
      guest.env,
      'uml',
      'run',
      'long.sh',
      '--kernel',
      kernel!,
      '--time-travel',
      'off',
    );
    let shown = '';
    while (!shown.includes('waiting')) shown += String((await once(child.stdout!, 'data'))[0]);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number | null];

    expect(code).toBe(130); // 128 + SIGINT
    expect(guest.left()).toEqual(NOTHING);
  });
});
