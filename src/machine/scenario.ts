// SPDX-License-Identifier: Apache-2.0
// Short runs of a whole machine that are worth a look at every signal: administration commands, the bring-up of a driver,
// frames. A run is brought up first and recorded from then on.
import { PCI_COMMAND, PCI_COMMAND_IO } from '../../assembly/abi/pci_header.ts';
import {
  LEGACY_DEVICE_FEATURES,
  LEGACY_DEVICE_STATUS,
  LEGACY_DRIVER_FEATURES,
  LEGACY_ISR_STATUS,
  LEGACY_QUEUE_ADDRESS,
  LEGACY_QUEUE_SELECT,
  LEGACY_QUEUE_SIZE,
  LEGACY_SIZE_WITHOUT_MSIX,
} from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import type { TracedCard } from '../trace/records.ts';
import { tracedCard } from '../trace/traced_card.ts';
import { NicError } from '../util/errors.ts';
import { VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, type AccessSize } from '../vfio/vfio_device.ts';
import { Machine } from './machine.ts';
import { Replay, type FrameSource } from './replay.ts';

/** What a scenario does, by name. */
export const SCENARIOS = {
  admin: 'the legacy registers of VF 1 and its MAC address, each an administration command',
  legacy: 'the legacy driver comes up on VF 1, behind the variant driver',
  modern: 'the modern driver comes up on VF 1',
  traffic: 'a capture from VF 1 to VF 2, by modern drivers',
} as const;

export type ScenarioName = keyof typeof SCENARIOS;

export interface ScenarioOptions {
  /** VFs of the card; 2 or more for traffic. */
  readonly vfs: number;
  readonly timing?: TimingChoice;
  /** What to record: bits TRACE_MASK_*. */
  readonly mask: number;
  /** Frames for traffic. */
  readonly capture: () => FrameSource;
}

/** What a scenario left behind. */
export interface RecordedRun {
  readonly card: TracedCard;
  /** Records, in the order in which they were made. */
  readonly chunks: readonly Uint8Array[];
  /** Simulated time that was recorded. */
  readonly simulatedNs: number;
}

/** Bytes of records that the card holds before the host takes them. */
const TRACE_BYTES = 2 ** 24;
/** Offset and size of what the legacy interface shows; the device configuration follows without MSI-X. */
const LEGACY_REGISTERS: readonly (readonly [offset: number, size: AccessSize])[] = [
  [LEGACY_DEVICE_FEATURES, 4],
  [LEGACY_DRIVER_FEATURES, 4],
  [LEGACY_QUEUE_ADDRESS, 4],
  [LEGACY_QUEUE_SIZE, 2],
  [LEGACY_QUEUE_SELECT, 2],
  [LEGACY_DEVICE_STATUS, 1],
  [LEGACY_ISR_STATUS, 1],
  ...[0, 1, 2, 3, 4, 5].map((i) => [LEGACY_SIZE_WITHOUT_MSIX + i, 1] as const),
];

/** Runs a scenario. Throws NicError CONFIG or PROFILE for bad options, REPLAY when traffic did not arrive as sent. */
export function runScenario(name: ScenarioName, options: ScenarioOptions): RecordedRun {
  if (name === 'traffic') return runTraffic(options);
  const machine = new Machine({ totalVfs: options.vfs, traceBytes: TRACE_BYTES, ...options.timing });
  if (name === 'admin') {
    const device = machine.openTransitionalVf(1);
    device.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, PCI_COMMAND_IO);
    const recorder = new Recorder(machine, options.mask);
    for (const [offset, size] of LEGACY_REGISTERS) {
      device.read(VFIO_PCI_BAR0_REGION_INDEX, offset, size);
      recorder.take();
    }
    return recorder.finish();
  }
  const recorder = new Recorder(machine, options.mask);
  if (name === 'legacy') machine.startLegacy(1);
  else machine.startModern(1);
  return recorder.finish();
}

function runTraffic(options: ScenarioOptions): RecordedRun {
  let recorder: Recorder | null = null;
  const replay = new Replay(options.capture(), {
    via: 'modern',
    totalVfs: options.vfs,
    traceBytes: TRACE_BYTES,
    ...options.timing,
    onStart: (machine) => (recorder = new Recorder(machine, options.mask)),
  });
  for (const _ of replay.frames()) recorder!.take();
  if (!replay.report().isComplete)
    throw new NicError('REPLAY', 'not every frame came as it was sent; see virtfn replay');
  return recorder!.finish();
}

/** Records one machine from its creation to finish(). */
class Recorder {
  private readonly machine: Machine;
  private readonly begin: number;
  private readonly chunks: Uint8Array[] = [];

  constructor(machine: Machine, mask: number) {
    machine.settle();
    this.machine = machine;
    this.begin = machine.nic.now();
    machine.nic.startTrace(mask);
  }

  take(): void {
    const chunk = this.machine.nic.takeTrace();
    if (chunk.length > 0) this.chunks.push(chunk);
  }

  finish(): RecordedRun {
    const { machine, chunks, begin } = this;
    const { nic, pf } = machine;
    machine.settle();
    const simulatedNs = nic.toPs(nic.now() - begin) / 1000;
    nic.stopTrace();
    this.take();
    const lost = nic.lostTraceRecords();
    if (lost > 0) throw new NicError('TRACE', `${lost} records found no room in the trace ring`);
    const card = tracedCard(nic, pf.admin.queueIndex);
    return { card, chunks, simulatedNs };
  }
}
