// SPDX-License-Identifier: Apache-2.0
// What a guest's kernel says about the function behind root port 1, and what can be done to it through sysfs.
import type { Guest } from './guest.ts';

/** Address of the function: the only one on the bus behind the only root port. */
export const FUNCTION_ADDRESS = '0000:01:00.0';
const DEVICE = `/sys/bus/pci/devices/${FUNCTION_ADDRESS}`;
const DRIVER = '/sys/bus/pci/drivers/virtio-pci';

/** A line of /proc/interrupts: the kind of interrupt, whose it is, and how often it came on all processors. */
export interface InterruptCount {
  readonly kind: string;
  readonly name: string;
  readonly count: number;
}

/** The interrupts of the function's virtio device, in the order of their vectors. */
export async function interrupts(guest: Guest): Promise<InterruptCount[]> {
  const lines = (await guest.run('grep virtio0 /proc/interrupts')).trim().split('\n');
  return lines.map((line) => {
    const words = line.trim().split(/\s+/).slice(1);
    const kind = words.findIndex((word) => !/^\d+$/.test(word));
    const count = words.slice(0, kind).reduce((sum, word) => sum + Number(word), 0);
    return { kind: words[kind]!, name: words.at(-1)!, count };
  });
}

/** Name of the driver that has the function, or nothing. */
export async function boundDriver(guest: Guest): Promise<string> {
  return (await guest.run(`basename "$(readlink ${DEVICE}/driver)"`)).trim();
}

/** Vendor and device id. */
export async function deviceId(guest: Guest): Promise<string> {
  return (await guest.run(`cat ${DEVICE}/vendor ${DEVICE}/device`)).trim().replace('\n', ' ');
}

/** The features that driver and device agreed on, one character a bit, bit 0 first. */
export async function features(guest: Guest): Promise<string> {
  return (await guest.run(`cat ${DEVICE}/virtio*/features`)).trim();
}

export async function unbind(guest: Guest): Promise<void> {
  await guest.run(`echo ${FUNCTION_ADDRESS} >${DRIVER}/unbind`);
}

export async function bind(guest: Guest): Promise<void> {
  await guest.run(`echo ${FUNCTION_ADDRESS} >${DRIVER}/bind`);
}

/** Unbinds and binds the driver `rounds` times. Milliseconds for one. */
export async function rebind(guest: Guest, rounds: number): Promise<number> {
  const began = performance.now();
  await guest.run(
    `cd ${DRIVER}\ni=0\nwhile [ $i -lt ${rounds} ]; do
      echo ${FUNCTION_ADDRESS} >unbind && echo ${FUNCTION_ADDRESS} >bind && [ -e ${DEVICE}/virtio*/net/* ] || exit
      i=$((i + 1))
    done`,
    240_000,
  );
  return (performance.now() - began) / rounds;
}

/** Function level reset through sysfs. */
export async function functionLevelReset(guest: Guest): Promise<void> {
  await guest.run(`echo flr >${DEVICE}/reset_method && echo 1 >${DEVICE}/reset`);
}

/** Resets the unbound device `count` times through its registers and brings it up to DRIVER_OK. Microseconds for one. */
export async function resetLoop(guest: Guest, access: 'modern' | 'legacy', count: number): Promise<number> {
  const output = await guest.run(`reset_loop ${DEVICE} ${access} ${count}`, 240_000);
  const [, rounds = NaN, ms = NaN] = /^(\d+) resets in (\d+) ms/.exec(output)?.map(Number) ?? [];
  if (rounds !== count) throw new Error(`reset_loop says: ${output}`);
  return (ms * 1000) / rounds;
}
