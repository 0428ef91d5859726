// SPDX-License-Identifier: Apache-2.0
// What a guest's kernel does to a PCI function, access by access, from QEMU's own trace: configuration space as the guest
// sees it, and the registers of a vfio-user function.
import { readFileSync } from 'node:fs';

import { FUNCTION_ADDRESS } from './pci.ts';
import type { Guest } from './guest.ts';

/** Nothing lies in the last byte of the first 256: when user space reads it, a section of the log begins. */
const MARK = 0xff;

/**
 * Options of QEMU that write the log; `file` is a path in the tree. For functions that QEMU emulates itself every access to
 * any register is traced, which is slow, since nothing else says how wide an access to configuration space is.
 */
export function traceOptions(file: string, isEmulated: boolean): string[] {
  const events = isEmulated
    ? ['pci_cfg_read', 'pci_cfg_write', 'memory_region_ops_read', 'memory_region_ops_write']
    : ['vfio_pci_read_config', 'vfio_pci_write_config', 'vfio_region_read', 'vfio_region_write'];
  return [...events.flatMap((event) => ['-trace', event]), '-D', file];
}

export async function mark(guest: Guest): Promise<void> {
  const config = `/sys/bus/pci/devices/${FUNCTION_ADDRESS}/config`;
  await guest.run(`dd if=${config} of=/dev/null bs=1 skip=${MARK} count=1 2>/dev/null`);
}

/**
 * The accesses to the guest's function, in sections: before the first mark, after it, and so on. A line is
 * `config r 0x006 2 = 0x10` or `BAR2 w 0x014 1 = 0x0`: place, direction, offset, bytes, value.
 */
export function accessesOf(file: string): string[][] {
  const slot = FUNCTION_ADDRESS.replace(/^0000:/, '').replace('.', '\\.');
  const emulated = new RegExp(`^pci_cfg_(r|w)\\w+ \\S+ ${slot} @(0x[0-9a-f]+) (?:->|<-) (0x[0-9a-f]+)`);
  const ofAny = /^memory_region_ops_.* size (\d)/;
  const readConfig = /^vfio_pci_read_config .*, @(0x[0-9a-f]+), len=(0x\d)\) (0x[0-9a-f]+)/;
  const writeConfig = /^vfio_pci_write_config .*, @(0x[0-9a-f]+), (0x[0-9a-f]+), len=(0x\d)\)/;
  const readBar = /^vfio_region_read .*:region(\d)\+(0x[0-9a-f]+), (\d)\) = (0x[0-9a-f]+)/;
  const writeBar = /^vfio_region_write .*:region(\d)\+(0x[0-9a-f]+), (0x[0-9a-f]+), (\d)\)/;
  const sections: string[][] = [[]];
  const add = (place: string, direction: string, offset: string, bytes: number, value: string): void => {
    if (place === 'config' && Number(offset) === MARK) sections.push([]);
    else sections.at(-1)!.push(`${place} ${direction} ${padded(offset)} ${bytes} = ${value}`);
  };
  let width = 0;
  let read: readonly [offset: string, value: string] | null = null;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    let found: RegExpExecArray | null;
    if ((found = ofAny.exec(line)) !== null) {
      width = Number(found[1]); // a write is traced on its way to the function, a read on its way back
      if (read !== null) add('config', 'r', read[0], width, read[1]);
      read = null;
    } else if ((found = emulated.exec(line)) !== null) {
      if (found[1] === 'r') read = [found[2]!, found[3]!];
      else add('config', 'w', found[2]!, width, found[3]!);
    } else if ((found = readConfig.exec(line)) !== null) add('config', 'r', found[1]!, Number(found[2]), found[3]!);
    else if ((found = writeConfig.exec(line)) !== null) add('config', 'w', found[1]!, Number(found[3]), found[2]!);
    else if ((found = readBar.exec(line)) !== null) add(`BAR${found[1]}`, 'r', found[2]!, Number(found[3]), found[4]!);
    else if ((found = writeBar.exec(line)) !== null) add(`BAR${found[1]}`, 'w', found[2]!, Number(found[4]), found[3]!);
  }
  return sections;
}

function padded(offset: string): string {
  return `0x${Number(offset).toString(16).padStart(3, '0')}`;
}
