// SPDX-License-Identifier: Apache-2.0
// What each phase of an access is made of: cycles that parameters of the timing profile account for, time on the wire, and
// waiting for others. Accounts of a phase add up to it, exactly: the lives of the reads come from the core's record, the
// rest from the profile, and what is left over then is waiting. On an idle card nothing is left over.
import { ADMIN_CMD_HEADER_SIZE } from '../../assembly/abi/virtio_admin.ts';
import {
  ADMIN_COMMANDS,
  ADMIN_ROW_COST,
  ADMIN_ROW_FIELDS,
  ADMIN_ROW_RESULT,
  ADMIN_ROW_TRAITS,
  COMMAND_DATA,
} from '../../assembly/abi/admin_command.ts';
import * as P from '../../assembly/abi/timing_param.ts';
import type { AdminRecord, ReadLife } from '../device/admin_record.ts';
import { wireCycles, type ResolvedProfile } from '../device/profile.ts';
import { PROFILE_ROWS, type ProfileRow } from '../device/profile_rows.ts';
import { answerOnIdleWire } from './idle_wire.ts';
import { PHASES, type PhaseKey, type Phases } from './phases.ts';

/** What cycles went to that no parameter sets: bytes on the wire, waiting, and what is not taken apart. */
export const OTHER_ACCOUNTS = [
  'link bytes up',
  'link bytes down',
  'waiting: link',
  'waiting: tags and credits',
  'waiting: engines',
  'waiting: earlier writes and tails',
  'waiting: turn',
  'transmit queue',
  'driver',
] as const;

/** Cycles on the account of a parameter of the profile, by its name, or of one of OTHER_ACCOUNTS. */
export interface Account {
  readonly parameter: string;
  readonly cycles: number;
}

/** Accounts by phase, in the order in which they are passed; those without cycles are left out. */
export type Accounts = Readonly<Partial<Record<PhaseKey, readonly Account[]>>>;

/** What a direct access consists of; the driver waits for the answer of a read alone. */
export interface DirectAccess {
  readonly writes: number;
  readonly reads: number;
}

/** Sums of accounts, phase by phase. */
export class AccountTotals {
  private readonly phases = new Map<PhaseKey, Map<string, number>>();

  add(accounts: Accounts): void {
    for (const { key } of PHASES) {
      const own = accounts[key];
      if (own === undefined) continue;
      const sums = this.phases.get(key) ?? new Map<string, number>();
      this.phases.set(key, sums);
      for (const { parameter, cycles } of own) sums.set(parameter, (sums.get(parameter) ?? 0) + cycles);
    }
  }

  get accounts(): Accounts {
    const sorted = PHASES.filter(({ key }) => this.phases.has(key));
    return Object.fromEntries(
      sorted.map(({ key }) => [key, [...this.phases.get(key)!].map(([parameter, cycles]) => ({ parameter, cycles }))]),
    );
  }
}

/** All phases together, the largest account first. */
export function byParameter(accounts: Accounts): Account[] {
  const sums = new Map<string, number>();
  for (const { parameter, cycles } of Object.values(accounts).flat()) {
    sums.set(parameter, (sums.get(parameter) ?? 0) + cycles);
  }
  return [...sums]
    .map(([parameter, cycles]) => ({ parameter, cycles }))
    .sort((one, other) => other.cycles - one.cycles || (one.parameter < other.parameter ? -1 : 1));
}

/** The cycles of one phase, booked on one account after the other. */
class Ledger {
  private readonly booked = new Map<string, number>();
  private left: number;

  constructor(cycles: number) {
    this.left = cycles;
  }

  /** Books `cycles`, as far as they are left. */
  book(parameter: string, cycles: number): this {
    const most = Math.min(cycles, this.left);
    if (most <= 0) return this;
    this.booked.set(parameter, (this.booked.get(parameter) ?? 0) + most);
    this.left -= most;
    return this;
  }

  /** Books what is left and closes. */
  rest(parameter: string): Account[] {
    this.book(parameter, this.left);
    return [...this.booked].map(([name, cycles]) => ({ parameter: name, cycles }));
  }
}

/** Bytes of requests and completions that go before the last request of a read. */
interface Ahead {
  readonly up: number;
  readonly down: number;
}

const NOTHING_AHEAD: Ahead = { up: 0, down: 0 };
const DWORD = 4;
/** The available index with its flags, or with fetch.line up to a whole line; descriptors of a packed ring up to some lines. */
const INDEX_BYTES = 4;
const LINE_BYTES = 64;
interface CommandCost {
  /** The parameter that says what executing it takes, null: nothing beyond its decoding. */
  readonly parameter: ProfileRow | null;
  readonly hasData: boolean;
  /** Bytes of its result; a register is a dword at most. */
  readonly resultBytes: number;
}

/** What a command costs; one that the card does not have is decoded, and refused. */
function costOf(opcode: number): CommandCost {
  const row = opcode * ADMIN_ROW_FIELDS;
  if (row >= ADMIN_COMMANDS.length) return { parameter: null, hasData: false, resultBytes: 0 };
  const cost = ADMIN_COMMANDS[row + ADMIN_ROW_COST]!;
  return {
    parameter: PROFILE_ROWS.find(({ index }) => index === cost)!,
    hasData: (ADMIN_COMMANDS[row + ADMIN_ROW_TRAITS]! & COMMAND_DATA) !== 0,
    resultBytes: ADMIN_COMMANDS[row + ADMIN_ROW_RESULT]!,
  };
}

/** Takes accesses of one card apart. Drivers and BARs of a machine lie above 4 GiB: requests to them have 4 DW headers. */
export class Accountant {
  private readonly words: ResolvedProfile['words'];
  private readonly isPacked: boolean;

  /** `isPacked`: the commands come over a packed ring. */
  constructor({ words }: ResolvedProfile, isPacked: boolean) {
    this.words = words;
    this.isPacked = isPacked;
  }

  /** Accounts of a command's phases. */
  command(record: AdminRecord, phases: Phases): Accounts {
    return this.each(phases, (key, ledger) => this.phase(record, key, ledger));
  }

  /** Accounts of the phases `link` and `access` of direct accesses. */
  direct({ writes, reads }: DirectAccess, phases: Phases): Accounts {
    const request = this.cycles(P.TLP_4DW);
    const down = writes * (request + DWORD) + reads * request;
    return this.each(phases, (key, ledger) => {
      if (key === 'access') {
        ledger.book('completer.decode_ns', this.cycles(P.COMPLETER));
        return ledger.rest('completer.register_ns');
      }
      this.bookRequest(ledger, down);
      if (writes > 0 && reads > 0) ledger.book('completer.interval_ns', this.cycles(P.COMPLETER_INTERVAL));
      if (reads > 0) {
        ledger
          .book('link bytes up', this.wire(this.cycles(P.TLP_3DW) + DWORD))
          .book('link.up_latency_ns', this.cycles(P.UP_LATENCY))
          .book('host.mmio_ns', this.cycles(P.HOST_MMIO));
      }
      return ledger.rest('waiting: link');
    });
  }

  /** Accounts of a notification by doorbell until the frame is out. */
  doorbell(phases: Phases): Accounts {
    return this.each(phases, (key, ledger) =>
      key === 'doorbell' ? this.bookDoorbell(ledger) : ledger.rest('transmit queue'),
    );
  }

  private each(phases: Phases, accountsOf: (key: PhaseKey, ledger: Ledger) => Account[]): Accounts {
    const present = PHASES.filter(({ key }) => phases[key] !== undefined);
    return Object.fromEntries(present.map(({ key }) => [key, accountsOf(key, new Ledger(phases[key]!))]));
  }

  private phase(record: AdminRecord, key: PhaseKey, ledger: Ledger): Account[] {
    const { lives } = record;
    const command = costOf(record.opcode);
    switch (key) {
      case 'doorbell':
        return this.bookDoorbell(ledger);
      case 'schedule':
        ledger.book('doorbell.decode_ns', this.cycles(P.DOORBELL));
        ledger.book('scheduler.pick_ns', this.cycles(P.SCHEDULER));
        break;
      case 'index':
        this.bookRead(ledger, lives.index, lives.index.setup, this.ahead(this.indexBytes));
        break;
      case 'ring':
        this.bookRead(
          ledger,
          lives.ring,
          lives.ring.setup,
          this.isPacked ? this.ahead(this.indexBytes) : NOTHING_AHEAD,
        );
        break;
      case 'descriptors':
        this.bookRead(ledger, lives.descriptors, lives.descriptors.setup);
        break;
      case 'data': {
        const ahead = command.hasData ? this.ahead(ADMIN_CMD_HEADER_SIZE) : NOTHING_AHEAD;
        this.bookRead(ledger, lives.data, Math.min(lives.data.setup, this.cycles(P.DMA_SETUP)), ahead);
        break;
      }
      case 'execute':
        ledger.book('waiting: engines', record.engineWait);
        ledger.book('admin.decode_ns', this.cycles(P.ADMIN_DECODE));
        if (command.parameter !== null) ledger.book(command.parameter.name, this.cycles(command.parameter.index!));
        break;
      case 'writeback':
        ledger.book('writeback.assemble_ns', this.cycles(P.WRITEBACK));
        return ledger.rest('waiting: link'); // no room for more posted writes
      case 'notify':
        this.bookAnswer(ledger, command.resultBytes);
        // without a message of its own the answer waits for that of another
        return ledger.rest(record.notified === 0 ? 'waiting: turn' : 'waiting: link');
      case 'transmit':
        return ledger.rest('transmit queue');
      case 'driver':
        return ledger.rest('driver');
      default: // queued, order: nothing but waiting
    }
    return ledger.rest('waiting: turn');
  }

  private bookDoorbell(ledger: Ledger): Account[] {
    this.bookRequest(ledger, this.cycles(P.TLP_4DW) + DWORD);
    return ledger.book('completer.decode_ns', this.cycles(P.COMPLETER)).rest('waiting: link');
  }

  /** From the host's core to the card, `bytes` in all. */
  private bookRequest(ledger: Ledger, bytes: number): void {
    ledger
      .book('host.mmio_ns', this.cycles(P.HOST_MMIO))
      .book('link bytes down', this.wire(bytes))
      .book('link.down_latency_ns', this.cycles(P.DOWN_LATENCY));
  }

  /** A read by its life; `setup` is the engine's part of its setup. */
  private bookRead(ledger: Ledger, life: ReadLife, setup: number, ahead: Ahead = NOTHING_AHEAD): void {
    const ownUp = Math.min(life.upQueue, this.wire(ahead.up));
    const ownDown = Math.min(life.downQueue, this.wire(ahead.down));
    const walk = this.walk(life.translation);
    ledger
      .book('waiting: engines', life.engineWait)
      .book('descriptor.decode_ns', life.setup - setup)
      .book('dma.setup_ns', setup)
      .book('waiting: tags and credits', life.tagWait)
      .book('waiting: link', life.upQueue - ownUp)
      .book('link bytes up', ownUp + life.upWire)
      .book('link.up_latency_ns', life.upLatency)
      .book('iommu.walk_ns', walk)
      .book('waiting: engines', life.translation - walk)
      .book('host.read_latency_ns', life.host)
      .book('waiting: earlier writes and tails', life.hostExtra)
      .book('waiting: link', life.downQueue - ownDown)
      .book('link bytes down', ownDown + life.downWire)
      .book('link.down_latency_ns', life.downLatency)
      .book('dma.copy_gbps', life.copy);
  }

  /** From the first write of an answer until the handler of its message runs. */
  private bookAnswer(ledger: Ledger, resultBytes: number): void {
    const { delays, wire } = answerOnIdleWire(this.words, resultBytes, this.isPacked);
    for (const { parameter, cycles } of delays) ledger.book(parameter, cycles);
    ledger
      .book('link bytes up', wire)
      .book('link.up_latency_ns', this.cycles(P.UP_LATENCY))
      .book('host.write_latency_ns', this.cycles(P.HOST_WRITE))
      .book('host.interrupt_ns', this.cycles(P.HOST_INTERRUPT))
      .book('iommu.walk_ns', this.walk(Infinity)); // the message, not translated itself, does not overtake the writes
  }

  /** What is read before the words by which a driver asks for notifications, at most. */
  private get indexBytes(): number {
    if (this.isPacked) return this.cycles(P.FETCH_PACKED_LINES) * LINE_BYTES;
    return this.cycles(P.FETCH_LINE) === 0 ? INDEX_BYTES : LINE_BYTES;
  }

  /** A request before the last one, for `bytes`. */
  private ahead(bytes: number): Ahead {
    return { up: this.cycles(P.TLP_4DW), down: this.cycles(P.TLP_3DW) + bytes };
  }

  /** The part of `translation` that a walk takes; waiting for a walker is on top. */
  private walk(translation: number): number {
    return this.cycles(P.IOTLB_SETS) === 0 ? 0 : Math.min(translation, this.cycles(P.IOTLB_WALK));
  }

  private wire(bytes: number): number {
    return wireCycles(this.words, bytes);
  }

  /** A word of the profile. */
  private cycles(index: number): number {
    return this.words.get(index)!;
  }
}
