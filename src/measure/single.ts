// SPDX-License-Identifier: Apache-2.0
// One access at a time: every administration command, every legacy register through the BAR0 that the variant driver
// invents, and the direct access of a modern driver beside it. All accesses of all rows come in one random order.
import { ADMIN_COMMAND_NAMES } from '../device/admin_commands.ts';
import { LEGACY_COMMANDS } from '../../assembly/abi/admin_command.ts';
import { VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import * as admin from '../../assembly/abi/virtio_admin.ts';
import { PCI_COMMAND, PCI_COMMAND_IO, PCI_COMMAND_MASTER } from '../../assembly/abi/pci_header.ts';
import { VIRTIO_NET_CFG_STATUS } from '../../assembly/abi/virtio_net.ts';
import { LEGACY_DEVICE_FEATURES, LEGACY_QUEUE_SELECT } from '../../assembly/abi/virtio_pci_legacy.ts';
import type { TimingChoice } from '../device/config.ts';
import { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  type AccessSize,
  type VfioDevice,
} from '../vfio/vfio_device.ts';
import { Meter } from './meter.ts';
import type { Random } from '../util/random.ts';
import type { StepHandler } from './steps.ts';
import { accessesOf, legacyRegisters, type LegacyRegister } from './registers.ts';
import { summarize, type Sample, type Summary } from './summary.ts';

/** An administration command with the data and result sizes that a row of the report is about. */
export interface CommandRow extends Summary {
  readonly name: string;
  readonly opcode: number;
  /** Bytes of command data and of the command's result, without header and status. */
  readonly dataBytes: number;
  readonly resultBytes: number;
}

/** How a register is accessed: `write_read_back` is a write whose driver makes sure by a read. */
export type AccessKind = 'read' | 'write' | 'write_read_back';

/** Accesses of one register in one way. */
export interface RegisterRow extends Summary {
  readonly register: string;
  readonly access: AccessKind;
  readonly bytes: number;
  readonly isNaturalWidth: boolean;
}

export interface SingleResult {
  readonly commands: readonly CommandRow[];
  readonly legacyRegisters: readonly RegisterRow[];
  readonly directRegisters: readonly RegisterRow[];
}

interface CommandShape {
  readonly opcode: number;
  readonly member: number;
  readonly data: readonly number[] | null;
  readonly resultBytes: number;
}

const BAR0 = 0;
const LEGACY_VF = 1;
const DIRECT_VF = 2;
const LIST_COMMANDS = (1 << admin.VIRTIO_ADMIN_CMD_LIST_QUERY) | (1 << admin.VIRTIO_ADMIN_CMD_LIST_USE);
const USED_COMMANDS = LIST_COMMANDS | LEGACY_COMMANDS;

function write(offset: number, ...bytes: number[]): number[] {
  return [offset, 0, 0, 0, 0, 0, 0, 0, ...bytes];
}

const COMMANDS: readonly CommandShape[] = [
  { opcode: admin.VIRTIO_ADMIN_CMD_LIST_QUERY, member: 0, data: null, resultBytes: 8 },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LIST_USE,
    member: 0,
    data: [USED_COMMANDS, 0, 0, 0, 0, 0, 0, 0],
    resultBytes: 0,
  },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_WRITE,
    member: LEGACY_VF,
    data: write(LEGACY_QUEUE_SELECT, 0, 0),
    resultBytes: 0,
  },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
    member: LEGACY_VF,
    data: [LEGACY_DEVICE_FEATURES],
    resultBytes: 4,
  },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_WRITE,
    member: LEGACY_VF,
    data: write(0, 2),
    resultBytes: 0,
  },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
    member: LEGACY_VF,
    data: [VIRTIO_NET_CFG_STATUS],
    resultBytes: 2,
  },
  {
    opcode: admin.VIRTIO_ADMIN_CMD_LEGACY_NOTIFY_INFO,
    member: LEGACY_VF,
    data: null,
    resultBytes: admin.ADMIN_NOTIFY_INFO_RESULT_SIZE,
  },
];

/** A row under way: how to take one sample of it, and what was taken. */
class Row<T> {
  readonly about: T;
  readonly samples: Sample[] = [];
  private readonly sample: (turn: number) => Sample;

  constructor(about: T, sample: (turn: number) => Sample) {
    this.about = about;
    this.sample = sample;
  }

  take(): void {
    this.samples.push(this.sample(this.samples.length));
  }

  summary(clockPs: number): T & Summary {
    return { ...this.about, ...summarize(this.samples, clockPs) };
  }
}

/** Takes `samples` samples of every row. This is long: `onSample` hears of each, and of how many there will be. */
export function measureSingle(
  card: TimingChoice,
  samples: number,
  random: Random,
  onSample: StepHandler = () => {},
): SingleResult {
  const machine = new Machine({
    traceAdmin: true,
    totalVfs: 2,
    wire: 'discard',
    ...card,
    pf: { wantedCommands: USED_COMMANDS },
  });
  const meter = new Meter(machine, random);
  const commands = COMMANDS.map((shape) => commandRow(meter, shape));
  const legacy = legacyRows(meter);
  const directDevice = machine.openVf(DIRECT_VF);
  const direct = legacyRegisters().flatMap((register) => directRows(meter, directDevice, register));

  const turns = [...commands, ...legacy, ...direct].flatMap((row) => Array.from({ length: samples }, () => row));
  for (const [i, row] of random.shuffle(turns).entries()) {
    row.take();
    onSample(i + 1, turns.length);
  }

  const { clockPs } = machine.nic.profile;
  return {
    commands: commands.map((row) => row.summary(clockPs)),
    legacyRegisters: legacy.map((row) => row.summary(clockPs)),
    directRegisters: direct.map((row) => row.summary(clockPs)),
  };
}

function commandRow(meter: Meter, shape: CommandShape) {
  const { opcode, member, resultBytes } = shape;
  const client = meter.machine.pf.admin;
  const data = shape.data === null ? null : Uint8Array.from(shape.data);
  return new Row({ name: ADMIN_COMMAND_NAMES.get(opcode)!, opcode, dataBytes: data?.length ?? 0, resultBytes }, () =>
    meter.command(() => {
      const { status } = client.exec(opcode, admin.VIRTIO_ADMIN_GROUP_TYPE_SRIOV, member, data, resultBytes);
      if (status !== admin.VIRTIO_ADMIN_STATUS_OK) throw new NicError('BENCH', `${name} was refused, status ${status}`);
    }),
  );
}

/** Accesses of a guest's legacy driver with MSI-X set up; its device configuration begins at 24. */
function legacyRows(meter: Meter) {
  const device = meter.machine.openTransitionalVf(LEGACY_VF);
  device.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
  device.setIrqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, [null]);
  return legacyRegisters()
    .flatMap(accessesOf)
    .map(({ register, isWrite, width, offsets }) => {
      const about = {
        register: register.name,
        access: (isWrite ? 'write' : 'read') as AccessKind,
        bytes: width,
        isNaturalWidth: width === register.width,
      };
      return new Row(about, (turn) => {
        const offset = offsets[turn % offsets.length]!;
        return meter.command(() => {
          if (isWrite) device.write(BAR0, offset, width, register.value);
          else device.read(BAR0, offset, width);
        });
      });
    });
}

/** The same by a modern driver on a VF of its own: one memory access, at natural width only. */
function directRows(meter: Meter, device: VfioDevice, register: LegacyRegister) {
  const size: AccessSize = register.width;
  const at = register.directOffset;
  const read = (): number => device.read(VIRTIO_BAR, at, size);
  const store = (): void => device.write(VIRTIO_BAR, at, size, register.value);
  const row = (access: AccessKind, sample: () => Sample) =>
    new Row({ register: register.name, access, bytes: size as number, isNaturalWidth: true }, sample);
  const rows = [row('read', () => meter.directRead(read))];
  if (!register.isDirectWritable) return rows;
  return [
    ...rows,
    row('write', () => meter.directWrite(store)),
    row('write_read_back', () =>
      meter.directReadBack(() => {
        store();
        read();
      }),
    ),
  ];
}
