// SPDX-License-Identifier: Apache-2.0
// `virtfn lspci`: our own listing, and the hex form as the real lspci of pciutils reads it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';

const hasLspci = spawnSync('lspci', ['--version']).status === 0;
/** lspci -v looks for the kernel's list of drivers; a machine without it is no fault of the file. */
const NO_MODULES = /^lspci: Unable to load libkmod resources.*\n/m;

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

function run(...args: string[]): string {
  const { code, stdout, stderr } = program.run('lspci', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** What lspci says of our file: text of each function by address. */
function readByLspci(...args: string[]): Map<string, string> {
  const file = join(program.folder, 'card.txt');
  writeFileSync(file, run('--hex', ...args));
  const { stdout, stderr, status } = spawnSync('lspci', ['-F', file, '-vvv'], { encoding: 'utf8', maxBuffer: 1 << 28 });
  expect({ status, stderr: stderr.replace(NO_MODULES, '') }).toEqual({ status: 0, stderr: '' });
  const functions = stdout.trimEnd().split('\n\n');
  return new Map(functions.map((text) => [text.slice(0, text.indexOf(' ')), text]));
}

describe('the listing', () => {
  it('shows PF and VFs with ids, BARs and capabilities', () => {
    const text = run('--vfs', '2');

    expect(text.match(/^\S+ (?:PF|VF \d):/gm)).toEqual(['01:00.0 PF:', '01:00.1 VF 1:', '01:00.2 VF 2:']);
    expect(text.match(/1af4:1041 \(rev 01, subsystem 1af4:0041\)/g)).toHaveLength(3);
    expect(text.match(/BAR2 16 KiB at 0x[0-9a-f]+, BAR4 4 KiB at 0x[0-9a-f]+/g)).toHaveLength(3);
    expect(text.match(/SR-IOV \(2 of 2 VFs, offset 1, stride 1\)/g)).toHaveLength(1);
    expect(text.match(/PCI Express \(FLR\)/g)).toHaveLength(3);
  });

  it('is JSON with a schema', () => {
    const { schema, functions } = JSON.parse(run('--vfs', '3', '--offset', '0x100', '--stride', '8', '--json')) as {
      schema: string;
      functions: { function: string; address: string; capabilities: { offset: string; id: string }[] }[];
    };

    expect(schema).toBe('virtfn.lspci/1');
    expect(functions.map((listed) => [listed.function, listed.address])).toEqual([
      ['pf', '01:00.0'],
      ['vf1', '02:00.0'],
      ['vf2', '02:01.0'],
      ['vf3', '02:02.0'],
    ]);
    expect(functions[0]!.capabilities.map(({ id }) => id)).toEqual([
      '0x01',
      '0x11',
      '0x10',
      '0x09',
      '0x09',
      '0x09',
      '0x09',
      '0x09',
      '0x000e',
      '0x0010',
    ]);
    expect(functions[1]!.capabilities.map(({ id }) => id)).not.toContain('0x0010');
  });

  it('gives each VF a part of its own of the VF BARs', () => {
    const { functions } = JSON.parse(run('--vfs', '64', '--json')) as {
      functions: { bars: { index: number; address: string; bytes: number }[] }[];
    };

    const taken = functions.flatMap(({ bars }) => bars.map(({ address, bytes }) => [Number(address), bytes] as const));
    const sorted = taken.toSorted(([one], [other]) => one - other);
    expect(sorted).toHaveLength(2 * 65);
    for (const [i, [start]] of sorted.entries()) {
      const [before, bytes] = sorted[i - 1] ?? [0, 0];
      expect(start).toBeGreaterThanOrEqual(before + bytes);
    }
  });
});

describe('the hex form', () => {
  it('has 4096 bytes a function, 16 in a line', () => {
    const blocks = run('--vfs', '1', '--hex').trimEnd().split('\n\n');

    expect(blocks).toHaveLength(2);
    for (const block of blocks) {
      const [head, ...lines] = block.split('\n');
      expect(head).toMatch(/^01:00\.[01] Ethernet controller: /);
      expect(lines).toHaveLength(256);
      expect(lines[0]).toMatch(/^00: f4 1a 41 10( [0-9a-f]{2}){12}$/);
      expect(lines[255]).toMatch(/^ff0:( [0-9a-f]{2}){16}$/);
    }
  });
});

describe.skipIf(!hasLspci)('lspci of pciutils (skipped where it is not installed)', () => {
  const VIRTIO = [
    'VirtIO: CommonCfg\n\t\tBAR=2 offset=00000000 size=00000040',
    'VirtIO: Notify\n\t\tBAR=2 offset=00003000 size=00001000 multiplier=00000004',
    'VirtIO: ISR\n\t\tBAR=2 offset=00001000 size=00000001',
    'VirtIO: DeviceCfg\n\t\tBAR=2 offset=00002000',
    /VirtIO: (?:<unknown>|PciCfg|PCI Cfg)/i,
  ];

  it('reads the PF with SR-IOV, MSI-X, virtio, PCI Express, power management and ARI', () => {
    const pf = readByLspci().get('01:00.0')!;

    expect(pf).toMatch(/Initial VFs: 8, Total VFs: 8, Number of VFs: 8, /);
    expect(pf).toMatch(/VF offset: 1, stride: 1, Device ID: 1041/);
    expect(pf).toMatch(/IOVCtl:\tEnable\+ Migration- Interrupt- MSE\+/);
    expect(pf).toMatch(
      /MSI-X: Enable\+ Count=5 Masked-\n\t\tVector table: BAR=4 offset=00000000\n\t\tPBA: BAR=4 offset=00000800/,
    );
    expect(pf).toMatch(/Express \(v2\) Endpoint/);
    expect(pf).toMatch(/FLReset\+/);
    expect(pf).toMatch(/Power Management version 3/);
    expect(pf).toMatch(/Alternative Routing-ID Interpretation \(ARI\)/);
    expect(pf).toMatch(/Region 2: Memory at 8000000000 \(64-bit, non-prefetchable\)/);
    for (const capability of VIRTIO) expect(pf).toMatch(capability);
  });

  it('reads the VFs alike, but for SR-IOV', () => {
    const functions = readByLspci();

    for (let vf = 1; vf <= 8; vf++) {
      const text = functions.get(vf < 8 ? `01:00.${vf}` : '01:01.0')!;
      expect(text).toMatch(/MSI-X: Enable- Count=4 Masked-/);
      expect(text).toMatch(/Express \(v2\) Endpoint/);
      expect(text).toMatch(/FLReset\+/);
      expect(text).toMatch(/Power Management version 3/);
      expect(text).toMatch(/Alternative Routing-ID Interpretation \(ARI\)/);
      expect(text).not.toMatch(/SR-IOV/);
      for (const capability of VIRTIO) expect(text).toMatch(capability);
    }
  });

  it.each([
    ['one VF', ['--vfs', '1'], 2, '01:00.1'],
    ['1,024 VFs', ['--vfs', '1024'], 1025, '05:00.0'],
    ['VFs on another bus', ['--vfs', '256', '--offset', '256'], 257, '02:1f.7'],
    ['every second routing id', ['--vfs', '300', '--offset', '4', '--stride', '2'], 301, '03:0b.2'],
  ])('finds nothing to complain about with %s', (_what, args, count, last) => {
    const functions = readByLspci(...args);

    expect(functions.size).toBe(count);
    expect([...functions.keys()].at(-1)).toBe(last);
    for (const text of functions.values()) expect(text).not.toMatch(/chain broken|!!!|<access denied|<invalid/);
  });
});
