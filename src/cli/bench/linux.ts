// SPDX-License-Identifier: Apache-2.0
// `virtfn bench linux`: what Linux' own drivers take on the card, in simulated time: a guest whose calendar the card is, in
// which a script enables VFs, gives one to virtio_vfio_pci and reads its registers, beside virtfn's drivers in this process.
import { Command } from 'commander';

import { LEGACY_DEVICE_STATUS } from '../../../assembly/abi/virtio_pci_legacy.ts';
import type { Nic } from '../../device/nic.ts';
import { provideGuestPrograms } from '../../linux/guest_programs.ts';
import { cacheFolder } from '../../linux/places.ts';
import { runLinux } from '../../linux/run.ts';
import { Machine } from '../../machine/machine.ts';
import type { ProfileOverrides } from '../../device/profile.ts';
import { DEFAULT_PROFILE } from '../../device/profiles.ts';
import { UML_VFS_MAX } from '../../uml/uml_server.ts';
import { NicError } from '../../util/errors.ts';
import { VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX } from '../../vfio/vfio_device.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { setOption, wholeNumber } from '../kit/options.ts';
import { changeTexts, columns, duration, warn } from '../kit/output.ts';
import { changesOf, profileOption, type ProfileChoice } from '../kit/profile_file.ts';
import { tableText } from '../kit/table.ts';
import { interruptible } from '../uml/interrupt.ts';
import { KERNEL_VARIABLE, kernelOf, type KernelArguments } from '../uml/kernel_choice.ts';
import { RunRecords, type AdminLine } from '../uml/records.ts';

const SCHEMA = 'virtfn.bench.linux/1';
/** Steps of the guest's clock (TIMER_MULTIPLIER of arch/um). */
const GUEST_STEP_NS = 256;
const MEMORY_MB = 128;
const WALL_LIMIT_MS = 300_000;
const GUEST_LIMIT_S = 600;
/** PCI_COMMAND: I/O space, memory space, bus master. */
const DECODE_AND_MASTER = 7;
/** First field of virtio_net_config in the legacy layout without MSI-X (virtio 1.4 §4.1.4.10). */
const LEGACY_CONFIG = 20;

/** An access of the legacy device, of which each is one administration command. */
interface LegacyAccess {
  readonly name: string;
  readonly command: string;
  readonly offset: number;
  readonly isWrite: boolean;
}

const ACCESSES: readonly LegacyAccess[] = [
  {
    name: 'read of device_status',
    command: 'LEGACY_COMMON_CFG_READ',
    offset: LEGACY_DEVICE_STATUS,
    isWrite: false,
  },
  {
    name: 'write to device_status',
    command: 'LEGACY_COMMON_CFG_WRITE',
    offset: LEGACY_DEVICE_STATUS,
    isWrite: true,
  },
  { name: 'read of the first byte of mac', command: 'LEGACY_DEV_CFG_READ', offset: LEGACY_CONFIG, isWrite: false },
];

/** One access, as the two drivers see it; ns. */
interface AccessRow {
  readonly access: string;
  readonly command: string;
  /** From the vfio user's call to its return, by the guest's clock. */
  readonly linuxNs: number;
  /** Of that, from the doorbell to the interrupt. */
  readonly doorbellToInterruptNs: number;
  /** The same of virtfn's variant driver, and its call from beginning to end. */
  readonly ownDoorbellToInterruptNs: number;
  readonly ownNs: number;
}

/** Something that a person does, by the guest's clock. */
interface StepRow {
  readonly step: string;
  readonly ns: number;
}

interface LinuxBenchReport {
  readonly schema: typeof SCHEMA;
  readonly kernel: string;
  readonly profile: string;
  readonly set: ProfileOverrides;
  readonly guestNs: number;
  readonly clockStepNs: number;
  readonly accesses: readonly AccessRow[];
  readonly steps: readonly StepRow[];
}

interface BenchLinuxArguments extends KernelArguments {
  readonly vfs: number;
  readonly guestNs: number;
  readonly profile: ProfileChoice;
  readonly set: ProfileOverrides;
  readonly json?: string;
}

/** The command, below `virtfn bench`. */
export function benchLinuxCommand(): Command {
  return new Command('linux')
    .description("what Linux' own drivers take on the card, in simulated time, beside those of this process")
    .option('--kernel <file>', `a kernel of User Mode Linux (default: $${KERNEL_VARIABLE}, or that of uml kernel)`)
    .option('--debug', 'the kernel of uml kernel --debug')
    .option('--cache <folder>', 'where uml kernel has put it')
    .option('--vfs <n>', 'enable 1 to n VFs', wholeNumber(1, UML_VFS_MAX), UML_VFS_MAX)
    .option('--guest-ns <ns>', "what the guest's own work takes, for each access", wholeNumber(0, 1e9), 0)
    .addOption(profileOption(DEFAULT_PROFILE))
    .addOption(setOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
Boots User Mode Linux with the card as its calendar: the guest's own work takes no time but
--guest-ns, what it waits for takes what it takes on the card. Equal kernels, profiles and options give equal numbers on
every machine. The guest's clock goes in steps of ${GUEST_STEP_NS} ns; doorbell to interrupt is exact.

Examples:
  virtfn bench linux
  virtfn bench linux --profile asic-gen5x16-1ghz --json=linux.json`,
    )
    .action(async (options: BenchLinuxArguments) => {
      const { profile, json } = options;
      const files = new CommandFiles({ '--profile': profile.file }, { '--json': json });
      const report = await measure(options);
      files.report(report, () => text(report));
    });
}

async function measure(options: BenchLinuxArguments): Promise<LinuxBenchReport> {
  const { vfs, guestNs, profile, set } = options;
  const kernel = kernelOf(options);
  const card = { totalVfs: vfs, mode: 'timed', profileName: profile.name, profile: changesOf(profile, set) } as const;
  let printed = '';
  let records!: RunRecords;
  const end = await interruptible(async (signal) =>
    runLinux({
      kernel,
      card: { ...card, traceAdmin: true, wire: 'discard' },
      root: {
        programs: await provideGuestPrograms(cacheFolder(options.cache), signal, warn),
        script: Buffer.from(script(vfs)),
        args: [],
        files: new Map(),
        limitSeconds: GUEST_LIMIT_S,
      },
      guestNs,
      kernelWords: [],
      memoryMb: MEMORY_MB,
      timeTravel: 'ext',
      wallLimitMs: WALL_LIMIT_MS,
      signal,
      onConsole: (more) => (printed += more),
      onCard: (nic: Nic) => (records = new RunRecords(nic, false)),
      onTick: () => records.take(),
      say: warn,
    }),
  );
  if (end.kind !== 'exit' || end.code !== 0) {
    const what = end.kind === 'exit' ? `its script ended with ${end.code}` : end.kind;
    throw new NicError('LINUX', `the guest did not do it, ${what}: ${printed.trim().split('\n').at(-1)}`);
  }
  return {
    schema: SCHEMA,
    kernel,
    profile: profile.name,
    set: changesOf(profile, set),
    guestNs,
    clockStepNs: GUEST_STEP_NS,
    accesses: accessRows(printed, records.commands, ownFigures(card)),
    steps: [...printed.matchAll(LAP)].map(([, step, from, to]) => ({ step: step!, ns: Number(to) - Number(from) })),
  };
}

const LAP = /^lap (.+): (\d+) (\d+)$/gm;
/** What `vfio ... time` prints; the kernel's log is among it. */
const TIMED = /^(\d+) ns$/gm;

/** What the guest does. Each step prints its name and the times between which it was done. */
function script(vfs: number): string {
  const lap = (step: string, work: string): string => `from=$(clock); ${work}; echo "lap ${step}: $from $(clock)"`;
  const access = ({ offset, isWrite }: LegacyAccess): string => {
    const words = isWrite ? `write bar0 ${offset} 1 0` : `read bar0 ${offset} 1`;
    return `vfio $(vf 1) write config 4 2 ${DECODE_AND_MASTER} time ${words}`;
  };
  return [
    'set -e',
    ...Array.from({ length: vfs }, (_, i) => i + 1).flatMap((n) => [
      lap(`enable ${n} ${n === 1 ? 'VF' : 'VFs'}`, `enable_vfs ${n}`),
      lap(`disable ${n} ${n === 1 ? 'VF' : 'VFs'}`, 'enable_vfs 0'),
    ]),
    'enable_vfs 1',
    lap('bind to virtio_vfio_pci', 'bind $(vf 1) virtio_vfio_pci'),
    lap('open and close', 'vfio $(vf 1) hold 0'),
    ...ACCESSES.map(access),
    lap('legacy bring-up, open to close', 'vfio $(vf 1) legacy 0 0 >/dev/null'),
    lap('unbind', 'unbind $(vf 1)'),
    '',
  ].join('\n');
}

/** An access of virtfn's variant driver in this process, ns. */
interface OwnFigure {
  readonly doorbellToInterruptNs: number;
  readonly ns: number;
}

function ownFigures(card: {
  readonly totalVfs: number;
  readonly profile: ProfileOverrides;
  readonly profileName: string;
}): OwnFigure[] {
  const machine = new Machine({ ...card, mode: 'timed', totalVfs: 1, traceAdmin: true });
  const { nic } = machine;
  const device = machine.openTransitionalVf(1);
  device.write(VFIO_PCI_CONFIG_REGION_INDEX, 4, 2, DECODE_AND_MASTER);
  const ns = (cycles: number): number => nic.toPs(cycles) / 1000;
  let doorbellToInterruptNs = 0;
  nic.onAdminCommand(({ doorbellIssued, notified }) => (doorbellToInterruptNs = ns(notified - doorbellIssued)));
  return ACCESSES.map(({ offset, isWrite }) => {
    machine.settle();
    const begin = nic.now();
    if (isWrite) device.write(VFIO_PCI_BAR0_REGION_INDEX, offset, 1, 0);
    else device.read(VFIO_PCI_BAR0_REGION_INDEX, offset, 1);
    const taken = ns(nic.now() - begin);
    machine.settle();
    return { doorbellToInterruptNs, ns: taken };
  });
}

/** Throws NicError LINUX where the guest sent other commands than the accesses are. */
function accessRows(printed: string, commands: readonly AdminLine[], own: readonly OwnFigure[]): AccessRow[] {
  const seen = [...printed.matchAll(TIMED)].map(([, ns]) => Number(ns));
  return ACCESSES.map(({ name, command }, i) => {
    const sent = commands.find((line) => line.name === command);
    const linuxNs = seen[i];
    if (sent === undefined || linuxNs === undefined) {
      throw new NicError(
        'LINUX',
        `the ${name} is no ${command} in this kernel; virtio_vfio_pci of Linux 7.3 sends one`,
      );
    }
    return {
      access: name,
      command,
      linuxNs,
      doorbellToInterruptNs: sent.latencyNs,
      ownDoorbellToInterruptNs: own[i]!.doorbellToInterruptNs,
      ownNs: own[i]!.ns,
    };
  });
}

function text({ kernel, profile, set, guestNs, accesses, steps }: LinuxBenchReport): string {
  const head = columns([
    ['kernel', kernel],
    ['profile', [profile, ...changeTexts(set)].join(', ')],
    ['guest', guestNs === 0 ? 'its own work takes no time' : `${guestNs} ns for each access`],
  ]);
  const accessTable = tableText(
    accesses.map((row) => ({
      'access of BAR0': row.access,
      'Linux, call': duration(row.linuxNs),
      'doorbell to interrupt': duration(row.doorbellToInterruptNs),
      'in process, call': duration(row.ownNs),
      'its doorbell to interrupt': duration(row.ownDoorbellToInterruptNs),
    })),
  );
  const stepTable = tableText(steps.map(({ step, ns }) => ({ 'step of Linux': step, time: duration(ns) })));
  const note = `The guest's clock goes in steps of ${GUEST_STEP_NS} ns; doorbell to interrupt is exact.`;
  return [head, accessTable, note, stepTable].join('\n\n');
}
