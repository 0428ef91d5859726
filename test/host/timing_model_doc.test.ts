// SPDX-License-Identifier: Apache-2.0
// The numbers in docs/timing_model.md are what the model does. The parameter table comes from the profile, the worked
// example from the record of one admin command, checked step by step against the rules as the document states them.
// UPDATE_DOCS=1 writes both anew.
import { writeFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { AdminRecord } from '../../src/device/admin_record.ts';
import * as P from '../../assembly/abi/timing_param.ts';
import { lookAheadCycles, profileParameters, resolveProfile, type ProfileParameter } from '../../src/device/profile.ts';
import { PROFILE_ROWS } from '../../src/device/profile_rows.ts';
import { Machine } from '../../src/machine/machine.ts';
import { readRepoFile, repoPath } from '../support/repo.ts';

const FILE = 'docs/timing_model.md';
const ROWS = new Map(PROFILE_ROWS.map((row) => [row.name, row]));

// The rules of the document with the default values of the profile, all in cycles of 4 ns.
const CYCLE_NS = 4;
const UP = 26; // 105 ns
const DOWN = 26;
const MMIO = 29; // host.mmio 115 ns
const EFFECT = 29; // host.write_latency 115 ns
const COMPLETER = 38; // 150 ns, rounded half up
const REGISTER = 38;
const SETUP = 13; // dma.setup 53 ns
const MEMORY = 70; // host.read_latency 280 ns
const VISIT = 4 + 2; // doorbell.decode 16 ns, scheduler.pick 8 ns
const BYTE = 65 / 2048; // 8 bits over 8 lanes of 8 GT/s, 128 of 130 bits, in cycles: 8 / (64 x 128/130) / 4
const MSIX = 2;

/** Cycles that `bytes` occupy an idle link, to the next whole cycle. */
function wire(bytes: number): number {
  return Math.ceil(bytes * BYTE);
}

const EVENT_IDX = 29;
const DEVICE_STATUS = 18;
const COMMON_CFG_READ = 3;
const SRIOV_GROUP = 1;

function readDeviceStatus({ pf }: Machine): void {
  pf.admin.submit(COMMON_CFG_READ, SRIOV_GROUP, 1, Uint8Array.of(DEVICE_STATUS), 1);
}

/** Fields of a record that are numbers, its times among them. */
type TimeField = {
  [K in keyof AdminRecord]: AdminRecord[K] extends number ? K : never;
}[keyof AdminRecord];

interface Run {
  readonly record: AdminRecord;
  /** From the doorbell written to the interrupt at the driver. */
  readonly cycles: number;
}

/** One command: LEGACY_COMMON_CFG_READ of the device status of VF 1, on a card that is otherwise idle. */
function runCommand(withoutFeatures: readonly number[]): Run {
  const machine = new Machine({ totalVfs: 1, traceAdmin: true, withoutFeatures });
  const { nic, pf } = machine;
  const records: AdminRecord[] = [];
  nic.onAdminCommand((record) => records.push(record));
  machine.settle();
  records.length = 0;
  const answered: number[] = [];
  pf.admin.onComplete = () => answered.push(nic.now());

  const begin = nic.now();
  readDeviceStatus(machine);
  while (answered.length === 0 && nic.runToOutput());

  const [record] = records;
  const [end] = answered;
  if (record === undefined || end === undefined) throw new Error('the command left no record, or was never answered');
  return { record, cycles: end - begin };
}

interface Step {
  readonly what: string;
  readonly until: Exclude<TimeField, 'lives'>;
  readonly terms: readonly (readonly [cycles: number, name: string])[];
}

/** A DMA read: request TLPs of together `up` bytes, completions of `down` bytes. */
function dmaRead(up: number, down: number, more: Step['terms'] = []): Step['terms'] {
  return [
    ...more,
    [SETUP, 'set-up'],
    [wire(up), `${up} B up`],
    [UP, 'link'],
    [MEMORY, 'memory'],
    [wire(down), `${down} B down`],
    [DOWN, 'link'],
  ];
}

// Status 8 bytes, result 1 (one dword), used element 8, used index 2 (one dword), then the message.
const WRITES = [24 + 8, 24 + 4, 24 + 8, 24 + 4];
const WRITE_BACK = WRITES.reduce((sum, bytes) => sum + bytes);
const MESSAGE = 20 + 4;
// 203 bytes between two DLLPs of a kind (Gen3 x8, MPS 256): what a byte of a TLP adds to what is due
const SHARE = 8 / 203 + 8 / 203 + 4 / 1538;
const DUE = SHARE / (1 - SHARE);

/** When the last symbol of the message is out: the write engine takes a write a cycle, DLLPs go out when 8 bytes are due. */
function messageSent(): { cycles: number; dllps: number } {
  let free = 0;
  let due = 0;
  let dllps = 0;
  [...WRITES, MESSAGE].forEach((bytes, i) => {
    const ready = i < WRITES.length ? i : MSIX;
    const isDue = due >= 8;
    if (isDue) due -= 8;
    if (isDue) dllps++;
    free = Math.max(free, ready) + (bytes + (isDue ? 8 : 0)) * BYTE;
    due += bytes * DUE;
  });
  return { cycles: free, dllps };
}

const SENT = messageSent();

const STEPS: readonly Step[] = [
  {
    what: 'doorbell: memory write of 2 bytes',
    until: 'doorbellArrived',
    terms: [
      [MMIO, 'host'],
      [wire(28), '28 B down'],
      [DOWN, 'link'],
      [COMPLETER, 'decode'],
    ],
  },
  { what: 'queue marked, then visited', until: 'visited', terms: [[VISIT, 'decode and pick']] },
  { what: 'read of flags and available index, 4 bytes', until: 'indexRead', terms: dmaRead(24, 24) },
  { what: 'read of one ring entry, 2 bytes', until: 'ringRead', terms: dmaRead(24, 24) },
  {
    what: 'read of a block of 4 descriptors, then of the indirect table, 64 bytes each',
    until: 'descriptorsKnown',
    terms: [...dmaRead(24, 20 + 64), ...dmaRead(24, 20 + 64)],
  },
  {
    what: 'read of header and data, 24 + 1 bytes in two requests, after 4 descriptors are decoded',
    until: 'dataKnown',
    // the second request is served a cycle after the first; of the 68 bytes of completions, a cycle's worth is on its way then
    terms: dmaRead(48, 2 * 20 + 28, [[4, 'decode']]).map(([cycles, name]) =>
      name === '68 B down' ? [cycles - 1, `${name}, less the cycle that the first is ahead`] : [cycles, name],
    ),
  },
  {
    what: 'command executed',
    until: 'executed',
    terms: [
      [5, 'header'],
      [25, 'legacy read'],
    ],
  },
  { what: 'write-back put together', until: 'writtenBack', terms: [[2, 'assembly']] },
  {
    what: 'status, result, used element, used index, MSI-X message',
    until: 'notified',
    terms: [
      [Math.ceil(SENT.cycles), `${WRITE_BACK + MESSAGE} B up and ${SENT.dllps} DLLP`],
      [UP, 'link'],
      [EFFECT, 'host'],
    ],
  },
];

function cyclesOf({ terms }: Step): number {
  return terms.reduce((sum, [cycles]) => sum + cycles, 0);
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

function exampleTable({ record }: Run, standard: Run): string {
  const at = (field: Exclude<TimeField, 'lives'>): number => record[field] - record.doorbellIssued;
  const rows = STEPS.map((step, i) => {
    const from = i === 0 ? 0 : at(STEPS[i - 1]!.until);
    const sum = step.terms.map(([cycles, name]) => `${cycles} (${name})`).join(' + ');
    const until = at(step.until);
    return `| ${step.what} | \`${step.until}\` | ${sum} | ${until - from} | ${until} | ${grouped(until * CYCLE_NS)} |`;
  });
  const { tlpsUp, bytesUp, tlpsDown, bytesDown } = record;
  const more = standard.record;
  return [
    '| step | ends at | made of, in cycles | cycles | since the doorbell | ns |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    `The device's share of the traffic: ${tlpsUp} TLPs and ${bytesUp} bytes up, ${tlpsDown} TLPs and ${bytesDown} bytes down.`,
    '',
    `With \`VIRTIO_F_EVENT_IDX\`, as drivers negotiate it, the same command takes ${standard.cycles} cycles`,
    `(${grouped(standard.cycles * CYCLE_NS)} ns): ${more.tlpsUp} TLPs and ${more.bytesUp} bytes up, ${more.tlpsDown} TLPs and ` +
      `${more.bytesDown} bytes down.`,
  ].join('\n');
}

/** What the core counts in, computed here a second time. */
function inCore({ name, unit, value }: ProfileParameter): string {
  const picoseconds = CYCLE_NS * 1000;
  if (unit === 'ns') return wholeCycles(value) === 1 ? '1 cycle' : `${wholeCycles(value)} cycles`;
  if (unit === 'Gb/s' && name !== 'link.rate_gbps' && value > 0) return `${rateWord(value)}/65536 cycle a byte`;
  return unit === 'ps' ? `${picoseconds} ps` : ROWS.get(name)!.index === null ? 'see the rules' : 'as it is';
}

function wholeCycles(ns: number): number {
  return Math.floor(ns / CYCLE_NS + 0.5);
}

function rateWord(gbps: number): number {
  return Math.round(((8 / gbps) * 65536) / CYCLE_NS);
}

function parameterTable(): string {
  const rows = profileParameters().map((parameter) => {
    const { name, unit, value, source } = parameter;
    return `| \`${name}\` | ${value}${unit === 'count' || unit === 'switch' ? '' : ` ${unit}`} | ${inCore(parameter)} | ${source} |`;
  });
  return ['| parameter | default | in the core | source |', '|---|---|---|---|', ...rows].join('\n');
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
function withSection(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${FILE} has no section ${name}`);
  return text.slice(0, from + begin.length) + content + text.slice(to);
}

const run = runCommand([EVENT_IDX]);
const standard = runCommand([]);

function expected(text: string): string {
  const example = exampleTable(run, standard);
  return withSection(withSection(text, 'parameters', parameterTable()), 'example', example);
}

if (process.env['UPDATE_DOCS'] === '1') writeFileSync(repoPath(FILE), expected(readRepoFile(FILE)));

describe('docs/timing_model.md', () => {
  it('is up to date; UPDATE_DOCS=1 npx vitest run test/host/timing_model_doc.test.ts writes it', () => {
    const text = readRepoFile(FILE);

    expect(text).toBe(expected(text));
  });

  it('names every parameter in its rules, not only in the table', () => {
    const rules = withSection(readRepoFile(FILE), 'parameters', '');

    expect(profileParameters().filter(({ name }) => !rules.includes(`\`${name}\``))).toEqual([]);
  });

  it('states the words that the core gets', () => {
    const { words } = resolveProfile('timed');
    const plain = profileParameters().filter(({ name }) => ROWS.get(name)!.index !== null);
    const stated = plain.map(({ unit, value }) =>
      unit === 'ns' ? wholeCycles(value) : unit === 'Gb/s' ? rateWord(value) : value,
    );

    expect(plain.map(({ name }) => words.get(ROWS.get(name)!.index!))).toEqual(stated);
    expect(words.get(P.HOST_READ)).toBe(MEMORY);
    // 8 / (8 lanes x 8 GT/s x 128/130) ns a byte in cycles of 4 ns
    expect(words.get(P.BYTE_NUM)! * 2048).toBe(words.get(P.BYTE_DEN)! * 65);
    expect(words.get(P.DLLP_DEBT)! / words.get(P.DLLP_BYTE)!).toBeCloseTo(DUE, 9);
  });
});

describe('the worked example', () => {
  it.each(STEPS.map((step, i) => [step.until, step, STEPS[i - 1]] as const))(
    'reaches %s after the cycles that the rules give',
    (_until, step, before) => {
      const { record } = run;
      const from = before === undefined ? record.doorbellIssued : record[before.until];

      expect(record[step.until] - from).toBe(cyclesOf(step));
    },
  );

  it('ends when the driver is interrupted', () => {
    expect(run.record.notified - run.record.doorbellIssued).toBe(run.cycles);
  });

  it('executes in order, so a lone command waits for nobody', () => {
    expect(run.record.executing).toBe(run.record.dataKnown);
    expect(run.record.started).toBe(run.record.ringRead);
  });
});

describe('a register read', () => {
  it('takes the link twice, decode and access', () => {
    const machine = new Machine({ totalVfs: 1 });
    machine.settle();
    const begin = machine.nic.now();

    machine.nic.read(1, 2, 0x14, 1);

    expect(machine.nic.now() - begin).toBe(MMIO + wire(24) + DOWN + COMPLETER + REGISTER + wire(24) + UP + MMIO);
  });
});

describe('the look-ahead', () => {
  const VIRTIO_BAR = 2;
  const MSIX_BAR = 4;
  const PENDING_BITS = 0x800;
  const MSIX_CONTROL = 0x48 + 2;
  const VECTORS = 5;
  const maskOf = (vector: number): number => 16 * vector + 12;
  const host = MMIO + wire(28) + DOWN + COMPLETER;

  it('to an MSI-X message begins with the write that lifts its mask', () => {
    const machine = new Machine({ totalVfs: 1 });
    const { nic } = machine;
    for (let vector = 0; vector < VECTORS; vector++) nic.write(0, MSIX_BAR, maskOf(vector), 4, 1);
    readDeviceStatus(machine);
    machine.settle();
    const pending = 31 - Math.clz32(nic.read(0, MSIX_BAR, PENDING_BITS, 4));
    const times: number[] = [];
    nic.onMessage(({ timeCycles }) => times.push(timeCycles - begin));

    const begin = nic.now();
    nic.write(0, MSIX_BAR, maskOf(pending), 4, 0);
    machine.settle();

    expect(times).toEqual([host + MSIX + wire(MESSAGE) + UP + EFFECT]);
  });

  it("to the PF's INTx line begins with a reset", () => {
    const machine = new Machine({ totalVfs: 1 });
    const { nic } = machine;
    nic.configWrite(0, MSIX_CONTROL, 2, 0);
    const changes: (readonly [level: number, cycles: number])[] = [];
    nic.onIntx((level, time) => changes.push([level, time - begin]));
    let begin = nic.now();
    readDeviceStatus(machine);
    machine.settle();
    expect(changes.map(([level]) => level)).toEqual([1]);

    begin = nic.now();
    nic.write(0, VIRTIO_BAR, 0x14, 1, 0);
    machine.settle();

    expect(changes[1]).toEqual([0, host + wire(24) + UP + EFFECT]);
    // with BARs below 4 GiB the request would have 4 bytes less
    expect(lookAheadCycles(nic.profile)).toBe(MMIO + wire(24) + DOWN + COMPLETER + wire(24) + UP + EFFECT);
    // outside: a completion of 20 bytes, 2 + 2 cycles of work, 38 bytes at 0.08 cycles and 10 on the wire are less than a request
    expect(lookAheadCycles(resolveProfile('timed', {}, undefined, 'outside'))).toBe(DOWN + wire(20) + 2 + 2 + 4 + 10);
  });
});
