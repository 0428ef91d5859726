// SPDX-License-Identifier: Apache-2.0
// What `virtfn serve` shows of its card: a line for each function, and what the administration commands cost that the
// register accesses of transitional functions became.
import * as statusBits from '../../../assembly/abi/device_status.ts';
import * as admin from '../../../assembly/abi/virtio_admin.ts';
import type { AdminRecord } from '../../device/admin_record.ts';
import { driverState } from '../../device/driver_state.ts';
import type { Nic } from '../../device/nic.ts';
import type { Attachment, AttachmentState } from '../../native/attachment.ts';
import { duration, grouped } from '../kit/output.ts';
import { tableText } from '../kit/table.ts';
import type { ServedCard } from './card.ts';
import type { FunctionKind } from './config.ts';

/** A function at one moment. */
export interface FunctionRow {
  readonly name: string;
  readonly kind: FunctionKind;
  readonly connected: boolean;
  readonly clients: number;
  readonly messages: number;
  /** Names of the bits of device_status. */
  readonly status: readonly string[];
  /** Bit numbers. */
  readonly features: readonly number[];
  readonly queues: number;
  readonly received: { readonly frames: number; readonly bytes: number };
  readonly sent: { readonly frames: number; readonly bytes: number };
  readonly interrupts: number;
  readonly resets: number;
  /** What the function did not do, by cause; causes that never came are left out. */
  readonly rejections: Readonly<Record<string, number>>;
}

/** Counters that tell of something refused. */
const REJECTION = /^(?:tx_drop_|rx_drop_|bad_|doorbells_ignored|ignored_writes)/;
const STATUS_NAMES = Object.entries(statusBits).filter(
  ([name]) => name.startsWith('STATUS_') && !name.endsWith('_BITS'),
);
const OPCODES = new Map(
  Object.entries(admin)
    .filter(([name]) => /^VIRTIO_ADMIN_CMD_(?:LIST|LEGACY|CAP|DEVICE|DRIVER|RESOURCE|DEV_PARTS|DEV_MODE)/.test(name))
    .filter(([name]) => !/_TYPE_|_MODE_F_|_BYTES|_SIZE$/.test(name))
    .map(([name, value]) => [value, name.slice('VIRTIO_ADMIN_CMD_'.length)] as const)
    .reverse(),
);

/** Every function as it is now. */
export function functionRows(card: ServedCard): FunctionRow[] {
  const { nic } = card;
  return card.functions.map(({ name, fn, kind, server }) => {
    const { status, features, queues } = driverState(nic.core, fn);
    const counters = nic.functionCounters(fn);
    return {
      name,
      kind,
      connected: server.isConnected,
      clients: server.clients,
      messages: server.messages,
      status: STATUS_NAMES.filter(([, bit]) => (status & bit) !== 0).map(([bit]) => bit.slice('STATUS_'.length)),
      features,
      queues,
      received: { frames: counters['rx_frames']!, bytes: counters['rx_bytes']! },
      sent: { frames: counters['tx_frames']!, bytes: counters['tx_bytes']! },
      interrupts: counters['interrupts']!,
      resets: counters['resets']!,
      rejections: Object.fromEntries(
        Object.entries(counters).filter(([cause, times]) => times > 0 && REJECTION.test(cause)),
      ),
    };
  });
}

/** The rows as a table. */
export function functionTable(rows: readonly FunctionRow[]): string {
  return tableText(
    rows.map((row) => ({
      function: `${row.name} ${row.kind === 'pf' ? '' : row.kind}`.trimEnd(),
      client: row.connected ? 'connected' : '-',
      driver: statusText(row.status),
      features: row.features.length === 0 ? '-' : row.features.join(' '),
      queues: grouped(row.queues),
      received: grouped(row.received.frames),
      sent: grouped(row.sent.frames),
      interrupts: grouped(row.interrupts),
      rejections:
        Object.entries(row.rejections)
          .map(([cause, times]) => `${cause} ${grouped(times)}`)
          .join(', ') || '-',
    })),
  );
}

/** Something that the card hangs on, at one moment. */
export interface AttachmentRow {
  readonly name: string;
  readonly state: AttachmentState;
  readonly losses: number;
  readonly returns: number;
  readonly dropped: number;
  readonly reason: string;
}

/** Everything that the card hangs on, and `output`, where its reports go, once that is in trouble. */
export function attachmentRows(card: ServedCard, output: Attachment): AttachmentRow[] {
  const isTroubled = output.losses > 0 || output.dropped > 0;
  return [...card.attachments, ...(isTroubled ? [output] : [])].map(
    ({ name, state, losses, returns, dropped, reason }) => ({ name, state, losses, returns, dropped, reason }),
  );
}

/** The rows as a table; empty without any. */
export function attachmentTable(rows: readonly AttachmentRow[]): string {
  if (rows.length === 0) return '';
  return tableText(
    rows.map(({ name, state, losses, returns, dropped, reason }) => ({
      outside: name,
      state,
      why: reason === '' ? '-' : reason.split(';')[0]!,
      lost: grouped(losses),
      back: grouped(returns),
      dropped: grouped(dropped),
    })),
    3,
  );
}

/** How far the driver has come, in one word. */
function statusText(status: readonly string[]): string {
  const order = ['DEVICE_NEEDS_RESET', 'FAILED', 'DRIVER_OK', 'FEATURES_OK', 'DRIVER', 'ACKNOWLEDGE'];
  return order.find((bit) => status.includes(bit)) ?? '-';
}

/** Commands of one opcode. */
export interface AdminRow {
  readonly opcode: number;
  readonly name: string;
  readonly commands: number;
  readonly errors: number;
  /** Simulated time from the doorbell to the notification, or to the write-back where none was sent. */
  readonly minNs: number;
  readonly meanNs: number;
  readonly maxNs: number;
  /** The first FIRST_COMMANDS of them. */
  readonly first: readonly FirstCommand[];
}

/** Header and answer of a command, and its bytes (40 at most) in hexadecimal. */
interface FirstCommand extends Pick<AdminRecord, 'groupType' | 'memberId' | 'status' | 'qualifier'> {
  readonly command: string;
}

const FIRST_COMMANDS = 4;

interface Tally {
  commands: number;
  errors: number;
  min: number;
  sum: number;
  max: number;
  readonly first: FirstCommand[];
}

/** Counts administration commands as they end. */
export class AdminTally {
  private readonly nic: Nic;
  private readonly tallies = new Map<number, Tally>();

  /** `onRecord` takes each command with the name of its opcode, too. */
  constructor(nic: Nic, onRecord: (record: AdminRecord, name: string) => void = () => {}) {
    this.nic = nic;
    nic.onAdminCommand((record) => {
      this.count(record);
      onRecord(record, opcodeName(record.opcode));
    });
  }

  rows(): AdminRow[] {
    const ns = (cycles: number): number => this.nic.toPs(cycles) / 1000;
    return [...this.tallies]
      .sort(([a], [b]) => a - b)
      .map(([opcode, { commands, errors, min, sum, max, first }]) => ({
        opcode,
        name: opcodeName(opcode),
        commands,
        errors,
        minNs: ns(min),
        meanNs: ns(sum / commands),
        maxNs: ns(max),
        first,
      }));
  }

  private count(record: AdminRecord): void {
    const { opcode, groupType, memberId, status, qualifier, doorbellIssued, notified, writtenBack } = record;
    const cycles = Math.max(notified, writtenBack) - doorbellIssued;
    let tally = this.tallies.get(opcode);
    if (tally === undefined) {
      tally = { commands: 0, errors: 0, min: Number.POSITIVE_INFINITY, sum: 0, max: 0, first: [] };
      this.tallies.set(opcode, tally);
    }
    tally.commands++;
    if (tally.commands <= FIRST_COMMANDS) {
      const command = Buffer.from(record.command).toString('hex');
      tally.first.push({ groupType, memberId, status, qualifier, command });
    }
    if (status !== 0) tally.errors++;
    tally.min = Math.min(tally.min, cycles);
    tally.sum += cycles;
    tally.max = Math.max(tally.max, cycles);
  }
}

function opcodeName(opcode: number): string {
  return OPCODES.get(opcode) ?? `opcode ${opcode}`;
}

/** The rows as a table. */
export function adminTable(rows: readonly AdminRow[], width?: number): string {
  return tableText(
    rows.map((row) => ({
      'admin command': row.name,
      commands: grouped(row.commands),
      errors: grouped(row.errors),
      least: duration(row.minNs),
      mean: duration(Math.round(row.meanNs)),
      most: duration(row.maxNs),
    })),
    1,
    width,
  );
}
