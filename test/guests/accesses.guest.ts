// SPDX-License-Identifier: Apache-2.0
// What Linux 7.3 does to a function, access by access: unbind, bind, interface up. The lists are in test/fixtures/linux,
// where the tests of this project's drivers take them from; VIRTFN_RECORD=1 writes them anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { repoPath } from '../support/repo.ts';
import { accessesOf, mark, traceOptions } from './support/access_log.ts';
import { rootPort, type FunctionName } from './support/card.ts';
import { Guest } from './support/guest.ts';
import { IS_VIRTFN, Lab, type LabOptions } from './support/lab.ts';
import { bind, FUNCTION_ADDRESS, unbind } from './support/pci.ts';
import { kernelRelease, kernelsOfThisRun, TREE } from './support/tree.ts';

const KERNEL = 'backports';
const SETTLE_MS = 1000; // the interface comes up in the background
/** queue_desc, queue_driver, queue_device, the legacy queue address: in the guest's memory. config_generation: as it came. */
const PASSING = /^(BAR2 w 0x0(?:2[048c]|3[04]) 4|BAR0 w 0x008 4|BAR2 r 0x015 1) = (?!0x0$).*/;

type Sections = Readonly<Record<string, readonly string[]>>;

/** Sections as lines of text; with VIRTFN_RECORD=1 they become the recording. */
function listOf(name: string, about: string, sections: Sections): string[] {
  const lines = Object.entries(sections).flatMap(([title, section]) => [
    '',
    `[${title}]`,
    ...section.map((line) => line.replace(PASSING, '$1 = *')),
  ]);
  if (process.env['VIRTFN_RECORD'] === '1') {
    const head = `# Linux ${kernelRelease(KERNEL)}: ${about}\n# VIRTFN_RECORD=1 npm run test:guests -- accesses`;
    writeFileSync(fixture(name), [head, ...lines, ''].join('\n'));
  }
  return lines;
}

/** The recording, without its head, which names the kernel. */
function recorded(name: string): string[] {
  const lines = readFileSync(fixture(name), 'utf8').split('\n');
  return lines.slice(0, -1).filter((line) => !line.startsWith('#'));
}

function fixture(name: string): string {
  return repoPath(`test/fixtures/linux/${name}.txt`);
}

/** Without what comes when it comes: up to the look at the link, the last register that is read. */
function upToTheLink(section: readonly string[]): string[] {
  return section.slice(0, section.findLastIndex((line) => / r /.test(line)) + 1);
}

describe.runIf(IS_VIRTFN && kernelsOfThisRun().includes(KERNEL))('accesses of the kernel, access by access', () => {
  let lab: Lab;
  let running: Guest | null = null;
  afterEach(async () => {
    await running?.kill();
    running = null;
    await lab.close();
  });

  /** The guest, and where its log is. `devices` null: the first function of the card. */
  async function boot(options: LabOptions, devices: readonly string[] | null, append = '', cpus = 1) {
    lab = await Lab.open(options);
    const { network, folder, card } = lab;
    const log = join(folder, 'accesses.log');
    const all = [...(devices ?? card.plug(options.functions[0]!, 1)), ...traceOptions(log, devices !== null)];
    const guest = await Guest.boot({ kernel: KERNEL, network, folder, name: 'traced', devices: all, append, cpus });
    running = guest;
    return { guest, log: join(TREE, log) };
  }

  it.each([
    { name: 'pf', fn: 'pf', about: 'virtio_net on the PF', options: {} },
    { name: 'vf', fn: 'vf1', about: 'virtio_net on a VF with two queue pairs', options: { queuePairs: 2 }, cpus: 2 },
    {
      name: 'legacy',
      fn: 'vf1',
      about: 'virtio_net on a VF behind the variant driver, virtio_pci.force_legacy=1',
      options: { transitional: true },
      append: 'virtio_pci.force_legacy=1',
    },
  ] as const)('$about', async ({ name, fn, about, options, ...more }) => {
    const functions: FunctionName[] = [fn];
    const { append = '', cpus = 1 } = more as { append?: string; cpus?: number };
    const { guest, log } = await boot({ functions, ...options }, null, append, cpus);

    await mark(guest);
    await unbind(guest);
    await mark(guest);
    await bind(guest);
    await mark(guest);
    await guest.run('ip link set eth0 up');
    await sleep(SETTLE_MS);
    await mark(guest);

    const [, remove = [], probe = [], open = []] = accessesOf(log);
    const list = listOf(name, about, { unbind: remove, bind: probe, up: upToTheLink(open) });
    expect(list).toEqual(recorded(name));
  });

  it('the PCI core on a PF with two VFs, which QEMU itself emulates', async () => {
    const vf = (addr: number): string[] => ['-device', `virtio-net-pci,sriov-pf=f,bus=rp1,addr=0.${addr}`];
    const pf = ['-device', 'virtio-net-pci,id=f,bus=rp1,addr=0.0,multifunction=on'];
    const { guest, log } = await boot({ functions: ['pf'] }, [...rootPort(1), ...vf(1), ...vf(2), ...pf]);
    const numVfs = `/sys/bus/pci/devices/${FUNCTION_ADDRESS}/sriov_numvfs`;

    await mark(guest);
    await guest.run(`echo 2 >${numVfs}`);
    await mark(guest);
    await guest.run(`echo 0 >${numVfs}`);
    await mark(guest);

    const ofSriov = (line: string): boolean => /^config . 0x1[0-4]/.test(line) || /^config . 0x004/.test(line);
    const [boots = [], enable = [], disable = []] = accessesOf(log);
    const about =
      'the PCI core on a PF of QEMU with two VFs: boot, sriov_numvfs 2, sriov_numvfs 0; command register and SR-IOV alone';
    const list = listOf('sriov', about, {
      boot: boots.filter(ofSriov),
      enable: enable.filter(ofSriov),
      disable: disable.filter(ofSriov),
    });
    expect(list).toEqual(recorded('sriov'));
  });
});
