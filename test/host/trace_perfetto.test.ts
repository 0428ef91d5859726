// SPDX-License-Identifier: Apache-2.0
// The Perfetto timeline, decoded by the published schema: an admin command with phases, reads, doorbell and message;
// commands that overlap; link, credits, tags and rings.
import { describe, expect, it } from 'vitest';

import { traceRecords, type TracedCard } from '../../src/trace/records.ts';
import { perfettoPieces } from '../../src/trace/timeline.ts';
import { perfettoPackets, readPerfetto, type ReadSlice, type ReadTrace } from '../support/perfetto_reader.ts';
import { joined, traceBytes, TRACED_CARD, type TraceFields } from '../support/trace_records.ts';

const [TLP, TAGS, CREDITS, STATUS, QUEUE, JOB, DMA, DOORBELL, MSIX, FRAME, REGISTER] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
] as const;
// states of a job: assembly/abi/state_value.ts
const [FREE, WALK, GATHER, READY, EXECUTE, RETIRE, RX_HEAD, RX_WALK] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const ADMIN_QUEUE = 3; // of TRACED_CARD
const COMMANDS = `virtfn/pf/queue ${ADMIN_QUEUE}/commands`;

function fileOf(records: readonly TraceFields[], card: TracedCard = TRACED_CARD): Uint8Array {
  return joined(perfettoPieces(card, traceRecords([traceBytes(...records)])));
}

function read(records: readonly TraceFields[], card?: TracedCard): ReadTrace {
  return readPerfetto(fileOf(records, card));
}

function job(time: number, state: number, more: Partial<TraceFields> = {}): TraceFields {
  return { kind: JOB, time, sub: ADMIN_QUEUE, a: 7, b: state, ...more };
}

/** A read of 64 bytes from asking to its end, in one request with the number `e`. */
function dma(times: readonly [number, number, number, number], e: number, b = 7): TraceFields[] {
  return [asked(times[0], 64, b), ...request(times.slice(1), 64, e, b)];
}

function asked(time: number, bytes: number, b = 7): TraceFields {
  return { kind: DMA, time, sub: 0, a: 0xffff + bytes * 0x10000, b, c: 0xffff_ffff_8000_1000n };
}

/** Issued, served, done. */
function request(times: readonly number[], bytes: number, e: number, b = 7): TraceFields[] {
  return times.map((time, i) => ({
    kind: DMA,
    time,
    sub: i + 1,
    a: 0x21 + bytes * 0x10000,
    b,
    c: 0xffff_ffff_8000_1000n,
    e,
  }));
}

const DEV_CFG_READ_OF_VF_2 = 0x0005n | (2n << 32n);

/** One command: doorbell written at 100, taken at 200, message at the host at 900. */
const COMMAND: readonly TraceFields[] = [
  { kind: DOORBELL, time: 160, sub: ADMIN_QUEUE, c: 100 },
  job(200, WALK, { c: 11 }),
  ...dma([200, 210, 300, 350], 1),
  job(350, GATHER, { c: 11 }),
  ...dma([352, 352, 450, 500], 2),
  job(500, READY, { c: 11 }),
  job(500, EXECUTE, { c: DEV_CFG_READ_OF_VF_2 }),
  job(600, RETIRE, { c: 11 }),
  job(640, FREE, { c: 11, d: 22 + 3 * 0x10000 }),
  { kind: QUEUE, time: 640, sub: ADMIN_QUEUE, a: 5, b: 1 },
  { kind: MSIX, time: 700, sub: 1, a: 0x41, b: ADMIN_QUEUE, c: 900 },
  { kind: QUEUE, time: 700, sub: ADMIN_QUEUE, a: 5, b: 0 },
];

/** [name, depth, begin, end] in cycles. */
function shape(slices: readonly ReadSlice[]): [string, number, number, number | undefined][] {
  return slices.map(({ name, depth, begin, end }) => [name, depth, begin / 4, end === undefined ? end : end / 4]);
}

function on(trace: ReadTrace, track: string): readonly ReadSlice[] {
  return trace.slices.filter((slice) => slice.track === track);
}

describe('an administration command', () => {
  const trace = read(COMMAND);

  it('lasts until its message has arrived, with phases and reads inside', () => {
    expect(shape(on(trace, COMMANDS))).toEqual([
      ['LEGACY_DEV_CFG_READ', 0, 200, 900],
      ['walk', 1, 200, 350],
      ['DMA read', 2, 200, 350],
      ['issue', 3, 200, 210],
      ['MRd', 3, 210, 350],
      ['request', 4, 210, 300],
      ['completion', 4, 300, 350],
      ['gather', 1, 350, 500],
      ['DMA read', 2, 352, 500],
      ['issue', 3, 352, 352],
      ['MRd', 3, 352, 500],
      ['request', 4, 352, 450],
      ['completion', 4, 450, 500],
      ['wait for its turn', 1, 500, 500],
      ['execute', 1, 500, 600],
      ['retire', 1, 600, 640],
      ['notify', 1, 640, 900],
    ]);
  });

  it('says what it was and how it ended', () => {
    const [command, , first, , firstRequest] = on(trace, COMMANDS);

    expect(command!.category).toBe('admin');
    expect(command!.annotations).toEqual({
      head: '11',
      member: 'vf2',
      status: '22',
      qualifier: '3',
      ns_since_doorbell: '400', // 100 cycles of 4 ns
    });
    expect(first!.annotations).toEqual({ address: '18446744071562072064', bytes: '64' });
    expect(firstRequest!.annotations).toEqual({ address: '18446744071562072064', bytes: '64', tag: '33' });
  });

  it('hangs together by one flow: doorbell, command, message', () => {
    const flows = trace.slices.filter((slice) => slice.flows.length > 0);

    expect(shape(flows)).toEqual([
      ['doorbell', 0, 100, 160],
      ['LEGACY_DEV_CFG_READ', 0, 200, 900],
      ['MSI-X vector 1', 0, 700, 900],
    ]);
    expect(new Set(flows.flatMap((slice) => slice.flows)).size).toBe(1);
  });

  it('ends without a message where the decision was against one', () => {
    const later = { kind: MSIX, time: 2000, sub: 1, b: ADMIN_QUEUE, c: 2100 };
    const silent = COMMAND.filter(({ kind }) => kind !== MSIX);

    const [command] = on(read([...silent, later]), COMMANDS);

    expect(command).toMatchObject({ begin: 800, end: 2560, flows: ['1'] });
  });

  it('is named by its number where the specification has no name for it', () => {
    const [command] = on(read([job(1, WALK), job(2, EXECUTE, { c: 0x8001 }), job(3, FREE)]), COMMANDS);

    expect(command!.name).toBe('opcode 0x8001');
  });

  it('is marked where the trace ends before it', () => {
    const records = [job(10, WALK), ...dma([12, 13, 14, 15], 1).slice(0, 2), { kind: TAGS, time: 30, a: 1 }];

    const commands = on(read(records), COMMANDS);

    expect(shape(commands)).toEqual([
      ['admin command', 0, 10, 30],
      ['walk', 1, 10, 30],
      ['DMA read (unfinished)', 2, 12, 30],
      ['issue', 3, 12, 13],
      ['MRd', 3, 13, 30],
    ]);
    expect(commands[0]!.annotations['unfinished']).toBe('1');
  });
});

describe('several chains', () => {
  it('share a message that tells of all of them, each in a lane of its own', () => {
    const records = [
      { kind: DOORBELL, time: 5, sub: ADMIN_QUEUE, c: 1 },
      job(10, WALK, { a: 1 }),
      job(12, WALK, { a: 2 }),
      job(20, FREE, { a: 1 }),
      job(22, FREE, { a: 2 }),
      { kind: MSIX, time: 30, sub: 1, b: ADMIN_QUEUE, c: 40 },
      job(50, WALK, { a: 1 }),
      job(60, FREE, { a: 1 }),
    ];

    const trace = read(records);
    const commands = on(trace, COMMANDS).filter(({ depth }) => depth === 0);

    expect(shape(commands)).toEqual([
      ['admin command', 0, 10, 40],
      ['admin command', 0, 12, 40],
      ['admin command', 0, 50, 60],
    ]);
    expect(on(trace, 'virtfn/pf/messages')[0]!.flows).toEqual(['1', '2']);
    expect(on(trace, `virtfn/pf/queue ${ADMIN_QUEUE}/doorbells`)[0]!.flows).toEqual(['1', '2', '3']);
    // two lanes of one name; the third command has the first one again
    const lanes = perfettoPackets(fileOf(records)).filter(
      ({ trackDescriptor }) => trackDescriptor?.name === 'commands',
    );
    expect(lanes).toHaveLength(2);
  });

  it('have a read of several requests inside, and beside them those that overlap', () => {
    const trace = read([
      job(0, GATHER),
      asked(1, 192),
      ...request([2, 30, 50], 64, 1),
      ...request([3, 31, 51], 64, 2),
      ...request([50, 70, 90], 64, 3),
      job(90, FREE),
    ]);

    expect(shape(on(trace, COMMANDS)).filter(([name]) => /DMA|MRd/.test(name))).toEqual([
      ['DMA read', 2, 1, 90],
      ['MRd', 3, 2, 50],
      ['MRd', 3, 50, 90],
    ]);
    expect(shape(on(trace, `virtfn/pf/queue ${ADMIN_QUEUE}/overlapping requests`))).toEqual([
      ['MRd', 0, 3, 51],
      ['request', 1, 3, 31],
      ['completion', 1, 31, 51],
    ]);
  });

  it('end in the cycle of their message, or of a decision against one', () => {
    const decision = (time: number): TraceFields => ({ kind: QUEUE, time, sub: ADMIN_QUEUE, a: 5, b: 0 });
    const message = (time: number): TraceFields => ({ kind: MSIX, time, sub: 1, b: ADMIN_QUEUE, c: time + 60 });

    const trace = read([
      job(1, WALK, { a: 1 }),
      message(10), // first the message, then the end
      decision(10),
      job(10, FREE, { a: 1 }),
      job(20, WALK, { a: 2 }),
      decision(30), // no message
      job(30, FREE, { a: 2 }),
      job(40, WALK, { a: 3 }),
      job(50, FREE, { a: 3 }),
      message(50),
    ]);

    expect(shape(on(trace, COMMANDS).filter(({ depth }) => depth === 0))).toEqual([
      ['admin command', 0, 1, 70],
      ['admin command', 0, 20, 30],
      ['admin command', 0, 40, 110],
    ]);
    expect(on(trace, 'virtfn/pf/messages').map(({ flows }) => flows)).toEqual([['1'], ['3']]);
  });

  it('of a receive queue begin with the frame, not with a doorbell', () => {
    const trace = read([
      { kind: DOORBELL, time: 2, fn: 1, sub: 0, c: 1 },
      { kind: JOB, time: 10, fn: 1, sub: 0, a: 3, b: RX_HEAD, c: 0 },
      { kind: JOB, time: 11, fn: 1, sub: 0, a: 3, b: RX_WALK, c: 9 },
      { kind: JOB, time: 20, fn: 1, sub: 0, a: 3, b: FREE },
    ]);

    expect(shape(on(trace, 'virtfn/vf1/queue 0/chains'))).toEqual([
      ['chain', 0, 10, 20],
      ['wait for a buffer', 1, 10, 11],
      ['walk buffer', 1, 11, 20],
    ]);
    expect(on(trace, 'virtfn/vf1/queue 0/doorbells')[0]!.flows).toEqual([]);
  });
});

describe('reads of a queue', () => {
  it('are told by their owners', () => {
    const trace = read([...dma([1, 1, 20, 30], 1, 0x10000 + 2), ...dma([5, 5, 25, 35], 2, 0x20000 + 2)]);

    expect(on(trace, 'virtfn/pf/queue 2/ring fetches')[0]).toMatchObject({ name: 'DMA read', begin: 4, end: 120 });
    expect(on(trace, 'virtfn/pf/queue 2/suppression')[0]).toMatchObject({ name: 'DMA read', begin: 20, end: 140 });
  });

  it('are marked where no request came of them', () => {
    const trace = read([
      asked(1, 64, 0x10000),
      ...dma([5, 6, 7, 8], 1, 0x10000),
      asked(9, 64, 0x10000),
      asked(12, 64, 0x10001),
    ]);

    expect(shape(on(trace, 'virtfn/pf/queue 0/ring fetches').filter(({ depth }) => depth === 0))).toEqual([
      ['DMA read (failed)', 0, 1, 1],
      ['DMA read', 0, 5, 8],
      ['DMA read (unfinished)', 0, 9, 12],
    ]);
  });

  it('are marked where their owner was reset', () => {
    const [ask, issued, , done] = dma([1, 2, 3, 9], 4);

    const trace = read([ask!, issued!, { ...done!, sub: 4 }]);

    expect(on(trace, 'virtfn/pf/other reads')[0]).toMatchObject({ name: 'DMA read (dropped)', end: 36 });
  });
});

describe('the link', () => {
  it('has a slice for each TLP, in lanes where they overlap', () => {
    const trace = read([
      { kind: TLP, time: 10, fn: 1, sub: 0x21, a: 64 + 3 * 0x10000, b: 60, c: 0x1_0000_0000, e: 24 },
      { kind: TLP, time: 12, fn: 0, sub: 0x02, a: 4, b: 58, c: 0xfee0_0000, e: 24 },
      { kind: TLP, time: 90, fn: 1, sub: 0x14 + 0x100, a: 64 + 3 * 0x10000, b: 60, c: 0x1_0000_0000, d: 64, e: 84 },
    ]);

    expect(shape(on(trace, 'virtfn/link up'))).toEqual([
      ['MRd', 0, 10, 70],
      ['MWr', 0, 12, 70],
    ]);
    expect(on(trace, 'virtfn/link down')[0]).toMatchObject({
      name: 'CplD',
      annotations: {
        function: 'vf1',
        address: '4294967296',
        bytes: '64',
        tag: '3',
        link_bytes: '84',
        bytes_left: '64',
        status: '1',
      },
    });
  });

  it('counts tags and credits', () => {
    const records = [
      { kind: TAGS, time: 1, a: 1 },
      { kind: TAGS, time: 9, a: 0 },
      { kind: CREDITS, time: 1, sub: 2, a: 1, c: 50 },
      { kind: CREDITS, time: 50, sub: 2, a: 1, c: 70 },
      { kind: CREDITS, time: 2, sub: 8, a: 3, c: 4 },
      { kind: CREDITS, time: 3, sub: 9, a: 1, b: 1 }, // when they are back ...
      { kind: CREDITS, time: 20, sub: 9, a: 1, b: 2, c: 25 }, // ... is said later
    ];

    const { counters } = read(records, { ...TRACED_CARD, creditLimit: (pool) => (pool === 2 ? 1 : undefined) });

    expect(counters).toEqual({
      'virtfn/tags in use': [
        [4, 1],
        [36, 0],
      ],
      'virtfn/up NPH credits available': [
        [4, 0],
        [200, 1],
        [200, 0],
        [280, 1],
      ],
      'virtfn/down PH credits taken': [
        [8, 3],
        [16, 0],
      ],
      'virtfn/down PD credits taken': [
        [12, 1],
        [100, 0],
      ],
    });
  });
});

describe('functions', () => {
  it('count the jobs of a queue and the buffers in its ring', () => {
    const value = (time: number, a: number, b: number): TraceFields => ({ kind: QUEUE, time, fn: 2, sub: 1, a, b });

    const { counters } = read([value(1, 0, 2), value(2, 2, 0xffff), value(3, 3, 2), value(4, 2, 1)]);

    expect(counters).toEqual({
      'virtfn/vf2/queue 1/jobs': [[12, 2]],
      'virtfn/vf2/queue 1/ring depth': [
        [8, 3], // 2 - 65535, modulo 65536
        [16, 1],
      ],
    });
  });

  it('show status, registers and frames as instants', () => {
    const { slices } = read([
      { kind: STATUS, time: 1, fn: 1, a: 0x0b },
      { kind: REGISTER, time: 2, fn: 1, sub: 1 + 2 * 4, a: 0x1000 | (2 << 24), b: 3 },
      { kind: REGISTER, time: 3, fn: 1, sub: 2 * 7, a: 6 | (2 << 24), b: 0x10 },
      { kind: REGISTER, time: 4, fn: 1, sub: 2 * 6, a: 18 | (1 << 24), b: 15 },
      { kind: FRAME, time: 5, fn: 0xffff, sub: 1, a: 60 },
    ]);

    expect(slices.map(({ track, name, begin, end }) => [track, name, begin, end])).toEqual([
      ['virtfn/vf1/device_status', 'device_status 0x0b', 4, undefined],
      ['virtfn/vf1/registers', 'write BAR4', 8, undefined],
      ['virtfn/vf1/registers', 'read config', 12, undefined],
      ['virtfn/vf1/registers', 'read legacy', 16, undefined],
      ['virtfn/wire/frames', 'frame out of the switch', 20, undefined],
    ]);
    expect(slices[1]!.annotations).toEqual({ offset: '4096', size: '2', value: '3' });
  });
});

describe('the file', () => {
  it('declares what it needs before it is used, in one sequence', () => {
    const packets = perfettoPackets(fileOf(COMMAND));

    expect(packets[0]).toMatchObject({ sequenceFlags: 1, trackDescriptor: { name: 'virtfn', process: { pid: 1 } } });
    expect(new Set(packets.map(({ trustedPacketSequenceId }) => trustedPacketSequenceId))).toEqual(new Set([1]));
    expect(
      packets.filter(({ trackEvent }) => trackEvent !== undefined).every((packet) => packet.sequenceFlags === 2),
    ).toBe(true);
  });

  it('is a process alone where nothing was recorded', () => {
    expect(read([])).toEqual({ tracks: ['virtfn', 'virtfn/link up', 'virtfn/link down'], slices: [], counters: {} });
  });
});
