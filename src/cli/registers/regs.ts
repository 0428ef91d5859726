// SPDX-License-Identifier: Apache-2.0
// `virtfn regs`: what the registers of one function hold, by name, on a card that was just brought up.
import { Command, Option } from 'commander';

import { enumerate } from '../../device/bus.ts';
import { createNic } from '../../device/nic.ts';
import { Machine } from '../../machine/machine.ts';
import { registersText, type DecodedRegister } from '../../registers/decode.ts';
import { UsageError } from '../../util/errors.ts';
import { CommandFiles } from '../kit/command_files.ts';
import { jsonOption } from '../kit/json_option.ts';
import { vfsOption } from '../kit/options.ts';
import { dumpFunction, type RegisterSection } from './register_dump.ts';

const SCHEMA = 'virtfn.registers/1';

type RunningDriver = 'none' | 'modern' | 'legacy';

interface RegsArguments {
  readonly block?: string;
  readonly driver: RunningDriver;
  readonly vfs: number;
  readonly json?: string;
}

/** The verb. */
export function regsCommand(): Command {
  return new Command('regs')
    .description('print the decoded registers of one function')
    .argument('<function>', 'pf, or vf and a number: vf1')
    .option('--block <name>', 'only this register block, for instance virtio_pci_common_cfg')
    .addOption(
      new Option('--driver <driver>', 'the driver that runs on the function')
        .choices(['none', 'modern', 'legacy'])
        .default('none'),
    )
    .addOption(vfsOption())
    .addOption(jsonOption(SCHEMA))
    .addHelpText(
      'after',
      `
The values are the hardware's own, configuration space included (a VF answers vendor id 0xffff; see virtfn lspci for what
vfio-pci makes of it). The PF without a driver is as enumeration left it, with its BARs placed; a VF needs the PF's driver,
so that one always runs. Legacy registers are those of a VF, read by administration commands. ISR status is not read:
reading clears it.

Examples:
  virtfn regs pf --block pci_sriov
  virtfn regs vf1 --driver legacy --block virtio_pci_legacy
  virtfn regs vf3 --driver modern --json`,
    )
    .action((name: string, options: RegsArguments) => {
      const files = new CommandFiles({}, { '--json': options.json });
      const sections = pick(dump(name, options), name, options.block);
      files.report({ schema: SCHEMA, function: name, driver: options.driver, sections: sections.map(jsonOf) }, () =>
        sections.map(sectionText).join('\n\n'),
      );
    });
}

function dump(name: string, { driver, vfs }: RegsArguments): RegisterSection[] {
  const fn = functionNumber(name, vfs);
  if (fn === 0 && driver === 'legacy') {
    throw new UsageError('--driver legacy: the PF has no legacy interface; choose a VF, for instance vf1');
  }
  if (fn === 0 && driver === 'none') {
    const nic = createNic({ mode: 'functional', totalVfs: vfs });
    enumerate(nic);
    return dumpFunction(nic, fn, null);
  }
  const machine = new Machine({ mode: 'functional', totalVfs: vfs });
  if (fn > 0 && driver === 'modern') machine.startModern(fn);
  if (fn > 0 && driver === 'legacy') machine.startLegacy(fn);
  machine.settle();
  return dumpFunction(machine.nic, fn, fn === 0 ? null : machine.pf.admin);
}

function functionNumber(name: string, vfs: number): number {
  if (name === 'pf') return 0;
  const match = /^vf([1-9]\d{0,3})$/.exec(name);
  if (match === null) throw new UsageError(`${name}: no function has this name; give pf, or vf1 to vf${vfs}`);
  const fn = Number(match[1]);
  if (fn > vfs) throw new UsageError(`${name}: the card has vf1 to vf${vfs}; --vfs ${fn} gives it as many`);
  return fn;
}

function pick(sections: RegisterSection[], name: string, block: string | undefined): RegisterSection[] {
  if (block === undefined) return sections;
  const picked = sections.filter((section) => section.block === block);
  if (picked.length > 0) return picked;
  const known = [...new Set(sections.map((section) => section.block))];
  throw new UsageError(`--block ${block}: ${name} has no such block; it has ${known.join(', ')}`);
}

function sectionText({ block, title, place, registers }: RegisterSection): string {
  const head = `${block}${title === '' ? '' : `: ${title}`}  (${place})`;
  if (registers.length === 0) return head;
  return `${head}\n${registersText(registers).replaceAll(/^/gm, '  ')}`;
}

function jsonOf({ block, title, place, registers }: RegisterSection): object {
  return { block, title, place, registers: registers.map(registerJson) };
}

/** 64-bit values do not fit a JSON number, so all values are text. */
function registerJson({ name, offset, width, access, text, bits }: DecodedRegister): object {
  const fields = Object.fromEntries(bits.map((field) => [field.name, field.value]));
  return { name, offset, width, access, value: text, ...(bits.length > 0 ? { bits: fields } : {}) };
}
