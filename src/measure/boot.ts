// SPDX-License-Identifier: Apache-2.0
// A driver's bring-up as a timeline: every access from the first look at configuration space to DRIVER_OK, with its time.
// The legacy driver knows BAR0 alone, so its accesses are administration commands; the modern driver is set beside it.
import { DEVICE_BAR_OFFSET, NOTIFY_BAR_OFFSET, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { STATUS_DRIVER_OK } from '../../assembly/abi/device_status.ts';
import { LEGACY_SIZE_WITH_MSIX, LEGACY_SIZE_WITHOUT_MSIX } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import { VirtioModern } from '../guest/virtio_modern.ts';
import { VirtioNet } from '../guest/virtio_net.ts';
import { VirtioNetLegacy } from '../guest/virtio_net_legacy.ts';
import { Machine } from '../machine/machine.ts';
import { findRegisterBlock } from '../registers/blocks.ts';
import type { RegisterBlock } from '../registers/describe.ts';
import { NicError } from '../util/errors.ts';
import { VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX } from '../vfio/vfio_device.ts';
import { Recorder, type RecordedAccess } from './recorder.ts';
import { toNs } from './summary.ts';

/** What an access of a bring-up is; `interrupts` is the work of setting MSI-X vectors up. */
export type BootAccessKind = 'config' | 'read' | 'write' | 'interrupts';

/** One access of a bring-up; times in cycles since its first access. */
export interface BootAccess {
  readonly begin: number;
  readonly cycles: number;
  readonly kind: BootAccessKind;
  readonly name: string;
  readonly bytes: number;
  readonly isAdminCommand: boolean;
}

/** The bring-up of one VF by one driver. */
export interface Boot {
  readonly driver: 'legacy' | 'modern';
  /** From the first access until the driver goes on after it has set DRIVER_OK. */
  readonly cycles: number;
  readonly ns: number;
  readonly adminCommands: number;
  /** Cycles in which an administration command was waited for. */
  readonly adminCycles: number;
  readonly accesses: readonly BootAccess[];
}

const COMMON = findRegisterBlock('virtio_pci_common_cfg')!;
const LEGACY = findRegisterBlock('virtio_pci_legacy')!;
const NET = findRegisterBlock('virtio_net_config')!;
const HEADER = findRegisterBlock('pci_header')!;
const STATUS_NAME = 'device_status';

/** Both drivers, each on a machine of its own. */
export function measureBoots(card: TimingChoice): Boot[] {
  return [bootLegacy(new Machine({ totalVfs: 1, ...card })), bootModern(new Machine({ totalVfs: 1, ...card }))];
}

function bootLegacy(machine: Machine): Boot {
  const recorder = record(machine, machine.openTransitionalVf(1));
  new VirtioNetLegacy(recorder, machine.memoryFor(recorder), machine.clock).start();
  return timeline('legacy', machine, recorder.accesses);
}

function bootModern(machine: Machine): Boot {
  const recorder = record(machine, machine.openVf(1));
  new VirtioNet(new VirtioModern(recorder), machine.memoryFor(recorder), machine.clock).start();
  return timeline('modern', machine, recorder.accesses);
}

function record(machine: Machine, device: ConstructorParameters<typeof Recorder>[0]): Recorder {
  machine.settle();
  return new Recorder(device, { now: () => machine.nic.now(), commands: () => machine.pf.admin.commands });
}

function timeline(driver: Boot['driver'], machine: Machine, recorded: readonly RecordedAccess[]): Boot {
  const isLegacy = driver === 'legacy';
  let hasMsix = false;
  const named = recorded.map((access) => {
    if (access.kind === 'irqs') hasMsix = access.bytes > 0;
    return { access, name: nameOf(access, isLegacy, hasMsix) };
  });
  const last = named.findIndex(
    ({ access, name }) => name === STATUS_NAME && access.kind === 'write' && (access.value & STATUS_DRIVER_OK) !== 0,
  );
  if (last < 0) throw new NicError('BENCH', `the ${driver} driver never set DRIVER_OK`);
  const origin = recorded[0]!.begin;
  const accesses = named.slice(0, last + 1).map(({ access, name }): BootAccess => ({
    begin: access.begin - origin,
    cycles: access.end - access.begin,
    kind: kindOf(access),
    name,
    bytes: access.bytes,
    isAdminCommand: access.isCommand,
  }));
  const commands = accesses.filter(({ isAdminCommand }) => isAdminCommand);
  const cycles = recorded[last]!.end - origin;
  return {
    driver,
    cycles,
    ns: toNs(cycles, machine.nic.profile.clockPs),
    adminCommands: commands.length,
    adminCycles: commands.reduce((sum, access) => sum + access.cycles, 0),
    accesses,
  };
}

function kindOf({ kind, region }: RecordedAccess): BootAccessKind {
  if (kind === 'irqs') return 'interrupts';
  return region === VFIO_PCI_CONFIG_REGION_INDEX ? 'config' : kind;
}

/** The register that an access is about. */
function nameOf({ kind, region, offset, bytes }: RecordedAccess, isLegacy: boolean, hasMsix: boolean): string {
  if (kind === 'irqs') return bytes === 0 ? 'MSI-X off' : `${bytes} MSI-X vectors`;
  if (region === VFIO_PCI_CONFIG_REGION_INDEX) {
    return offset < HEADER.size ? `config ${registerAt(HEADER, offset)}` : `config 0x${offset.toString(16)}`;
  }
  if (isLegacy && region === VFIO_PCI_BAR0_REGION_INDEX) {
    const end = hasMsix ? LEGACY_SIZE_WITH_MSIX : LEGACY_SIZE_WITHOUT_MSIX;
    return offset < end ? registerAt(LEGACY, offset) : `net ${registerAt(NET, offset - end)}`;
  }
  if (region === VIRTIO_BAR) {
    if (offset >= NOTIFY_BAR_OFFSET) return 'doorbell';
    if (offset >= DEVICE_BAR_OFFSET) return `net ${registerAt(NET, offset - DEVICE_BAR_OFFSET)}`;
    if (offset < COMMON.size) return registerAt(COMMON, offset);
  }
  return `BAR${region} 0x${offset.toString(16)}`;
}

function registerAt(block: RegisterBlock, offset: number): string {
  const register = block.registers.find((one) => offset >= one.offset && offset < one.offset + one.width);
  return register?.name.replace(/_hi$/, '') ?? `0x${offset.toString(16)}`;
}
