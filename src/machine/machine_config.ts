// SPDX-License-Identifier: Apache-2.0
// What a machine adds to the configuration of its card: memory for the drivers, which follows from what they are asked
// for, and what the PF's driver needs of its card.
import { VIRTIO_F_SR_IOV } from '../../assembly/abi/virtio_features.ts';
import { ConfigError, resolveConfig, type ConfigProblem, type NicConfig } from '../device/config.ts';
import type { ProvisionedFunction } from '../device/function_profile.ts';
import { ADMIN_CHAIN } from '../guest/admin_client.ts';
import { driverMemoryBytes, type DriverShape } from '../guest/driver_memory.ts';
import { checkPfDriver, type PfDriverOptions } from '../guest/pf_driver.ts';
import type { VirtioNetOptions } from '../guest/virtio_net.ts';
import { valueText } from '../util/names.ts';
import { checkObject } from '../util/options.ts';

/** Options of a machine: those of its card, and how it is driven. */
export interface MachineOptions extends NicConfig {
  /** VFs to enable at once. Default all. */
  readonly numVfs?: number;
  /** Options of the PF's driver. */
  readonly pf?: PfDriverOptions;
  /** Bytes of guest memory for the PF's driver. Default what it takes, 2 MiB at least. */
  readonly pfMemoryBytes?: number;
  /** Bytes of guest memory in all. Default what the PF's driver and those of up to 15 VFs take. */
  readonly windowBytes?: number;
}

/** What of a driver's options its memory depends on. */
type ShapeOptions = Pick<VirtioNetOptions, 'queuePairs' | 'queueSize' | 'rxBufferBytes'>;

/** Guest memory of a net driver, if it does not take more. */
export const DRIVER_MEMORY_BYTES = 2 << 20;
/** VFs for whose drivers there is memory by default, and one more driver. */
const DRIVEN_VFS = 14;

/** Memory for a modern driver with these options on a function that is provisioned so. */
export function driverMemory(
  { mtu, queueSize }: Pick<ProvisionedFunction, 'mtu' | 'queueSize'>,
  options: ShapeOptions,
): number {
  return Math.max(DRIVER_MEMORY_BYTES, driverMemoryBytes(shape(mtu, queueSize, options, null)));
}

function shape(
  mtu: number,
  queueSize: number,
  { queuePairs = 1, queueSize: wanted = queueSize, rxBufferBytes }: ShapeOptions,
  admin: DriverShape['admin'],
): DriverShape {
  return { mtu, queueSize, dataQueueSize: Math.min(queueSize, wanted), queuePairs, rxBufferBytes, admin };
}

/** A card whose PF has its driver here, while the drivers of VFs are elsewhere: no more guest memory than that takes. */
export function withPfDriverOnly(card: NicConfig): MachineOptions {
  return { ...card, windowBytes: resolveMachine(card).pfMemoryBytes };
}

/** Fills in what a machine does not leave to its card. Throws ConfigError for what no such machine can have. */
export function resolveMachine(options: MachineOptions) {
  checkObject('CONFIG', 'machine', options);
  const { numVfs, pf = {}, pfMemoryBytes: givenMemory, ...card } = options;
  checkPfDriver(pf);
  const { totalVfs, mtu, queueSize, adminQueueSize, vfQueuePairs, withoutFeatures } = resolveConfig(card);
  const problems: ConfigProblem[] = [];
  const check = (
    isGood: boolean,
    option: keyof MachineOptions,
    value: unknown,
    text: string,
    remedy: unknown,
  ): void => {
    if (!isGood) problems.push({ option, message: `${valueText(value)}: ${text}`, remedy });
  };

  check(
    adminQueueSize >= ADMIN_CHAIN,
    'adminQueueSize',
    adminQueueSize,
    `a command of the PF's driver takes ${ADMIN_CHAIN} descriptors, and no chain is longer than its queue; ${ADMIN_CHAIN} would do`,
    ADMIN_CHAIN,
  );
  const vfs = numVfs === undefined ? totalVfs : numVfs;
  const isCount = Number.isInteger(vfs) && vfs >= 0 && vfs <= totalVfs;
  check(isCount, 'numVfs', vfs, `a whole number from 0 to ${totalVfs} is needed`, vfs > totalVfs ? totalVfs : 0);
  const others = withoutFeatures.filter((bit) => bit !== VIRTIO_F_SR_IOV);
  const hasVfs = vfs === 0 || others.length === withoutFeatures.length;
  const needed = `the PF's driver enables VFs by way of VIRTIO_F_SR_IOV; leave ${VIRTIO_F_SR_IOV} out`;
  check(hasVfs, 'withoutFeatures', VIRTIO_F_SR_IOV, needed, others);

  const least = driverMemoryBytes(shape(mtu, queueSize, pf, { queueSize: adminQueueSize, ...pf.admin }));
  const pfMemoryBytes = givenMemory === undefined ? Math.max(DRIVER_MEMORY_BYTES, least) : givenMemory;
  const isMemory = Number.isInteger(pfMemoryBytes) && pfMemoryBytes >= least;
  check(isMemory, 'pfMemoryBytes', pfMemoryBytes, `the PF's driver takes ${least}`, least);
  const vfMemoryBytes = driverMemory({ mtu, queueSize }, { queuePairs: vfQueuePairs });
  const windowBytes = card.windowBytes ?? pages(pfMemoryBytes) + (Math.min(totalVfs, DRIVEN_VFS) + 1) * vfMemoryBytes;
  const room = isMemory ? pages(pfMemoryBytes) : least;
  check(windowBytes >= room, 'windowBytes', windowBytes, `the PF's driver alone takes ${room}`, room);
  if (problems.length > 0) throw new ConfigError(problems);
  return { card: { ...card, windowBytes }, numVfs: vfs, pf, pfMemoryBytes };
}

function pages(bytes: number): number {
  return Math.ceil(bytes / 4096) * 4096;
}
