// SPDX-License-Identifier: Apache-2.0
// The value change dump: scopes and signals of what occurs, changes in the order of time whatever the order of records.
import { describe, expect, it } from 'vitest';

import { traceRecords, type TracedCard } from '../../src/trace/records.ts';
import { vcdPieces } from '../../src/trace/vcd.ts';
import { NOBODY, traceBytes, TRACED_CARD, type TraceFields } from '../support/trace_records.ts';

const [TLP, TAGS, CREDITS, STATUS, QUEUE, DOORBELL, MSIX, REGISTER] = [1, 2, 3, 4, 5, 8, 9, 11];

function vcd(records: readonly TraceFields[], card: TracedCard = TRACED_CARD): string {
  return [...vcdPieces(card, traceRecords([traceBytes(...records)]))].join('');
}

/** The changes of one signal: [picoseconds, value], the value before the first change included. */
function changesOf(text: string, scope: string, name: string): [number, string][] {
  const path: string[] = [];
  let code: string | undefined;
  let time = 0;
  const changes: [number, string][] = [];
  for (const line of text.split('\n')) {
    const [first, second, third, fourth, fifth] = line.split(' ');
    if (first === '$scope') path.push(third!);
    else if (first === '$upscope') path.pop();
    else if (first === '$var' && path.join('.') === `virtfn.${scope}` && fifth === name) code = fourth;
    else if (first!.startsWith('#')) time = Number(first!.slice(1));
    else if (second !== undefined && second === code) changes.push([time, first!.slice(1)]);
    else if (code !== undefined && /^[01x]./.test(line) && line.slice(1) === code) changes.push([time, line[0]!]);
  }
  return changes;
}

describe('vcdPieces', () => {
  it('writes a whole file', () => {
    const text = vcd([
      { kind: STATUS!, fn: 1, time: 2, a: 0x0f },
      { kind: QUEUE!, fn: 1, time: 3, sub: 2, a: 1, b: 5 },
    ]);

    expect(text).toBe(`$version virtfn $end
$timescale 1 ps $end
$scope module virtfn $end
$scope module vf1 $end
$var wire 8 ! device_status [7:0] $end
$scope module queue2 $end
$var wire 16 " avail_idx [15:0] $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
#4000
$dumpvars
bx !
bx "
$end
#8000
b1111 !
#12000
b101 "
`);
  });

  it('is a head alone where nothing was recorded', () => {
    expect(vcd([]).split('\n').slice(-3)).toEqual(['$upscope $end', '$enddefinitions $end', '']);
  });

  it('never goes back in time', () => {
    const text = vcd([
      { kind: TLP!, fn: 0, time: 50, sub: 2, b: 60 },
      { kind: TAGS!, fn: 0, time: 10, a: 1 },
      { kind: MSIX!, fn: 1, time: 12, sub: 3, c: 200 },
      { kind: TAGS!, fn: 0, time: 20, a: 0 },
    ]);

    const times = [...text.matchAll(/^#(\d+)$/gm)].map(([, time]) => Number(time) / 4000);
    expect(times).toEqual([9, 10, 20, 50, 110, 200, 201]);
  });

  it('shows the six values of a queue and only what changed', () => {
    const value = (time: number, a: number, b: number): TraceFields => ({ kind: QUEUE!, time, a, b });
    const text = vcd([
      value(10, 0, 7),
      value(10, 1, 3),
      value(11, 2, 2),
      value(12, 3, 1),
      value(13, 4, 2),
      value(14, 5, 1),
      value(15, 4, 2), // the same again
      value(16, 4, 0),
    ]);

    expect(changesOf(text, 'pf.queue0', 'avail_seen').at(-1)).toEqual([40_000, '111']);
    expect(changesOf(text, 'pf.queue0', 'avail_idx').at(-1)).toEqual([40_000, '11']);
    expect(changesOf(text, 'pf.queue0', 'used_idx').at(-1)).toEqual([44_000, '10']);
    expect(changesOf(text, 'pf.queue0', 'jobs').at(-1)).toEqual([48_000, '1']);
    expect(changesOf(text, 'pf.queue0', 'notify_state').at(-1)).toEqual([56_000, '1']);
    expect(changesOf(text, 'pf.queue0', 'fetch_state')).toEqual([
      [36_000, 'x'],
      [52_000, '10'],
      [64_000, '0'],
    ]);
  });

  it('holds the last of several values of one cycle', () => {
    const status = (time: number, a: number): TraceFields => ({ kind: STATUS!, time, a });

    const text = vcd([status(5, 1), status(6, 3), status(6, 0), status(6, 1), status(7, 0)]);

    expect(changesOf(text, 'pf', 'device_status')).toEqual([
      [16_000, 'x'],
      [20_000, '1'],
      [28_000, '0'],
    ]);
  });

  it('has a link direction busy from the first symbol to the last arrival', () => {
    const text = vcd([
      { kind: TLP!, time: 10, sub: 0x01, b: 60 }, // MRd up, in flight until 70
      { kind: TLP!, time: 14, sub: 0x22, b: 50 }, // MWr up with 64-bit address, until 64
      { kind: TLP!, time: 80, sub: 0x14, b: 55 }, // CplD down
    ]);

    expect(changesOf(text, 'link', 'up_busy')).toEqual([
      [36_000, '0'],
      [40_000, '1'],
      [280_000, '0'],
    ]);
    expect(changesOf(text, 'link', 'up_tlps').map(([, value]) => value)).toEqual(['0', '1', '10', '1', '0']);
    expect(changesOf(text, 'link', 'up_type').map(([, value]) => value)).toEqual(['x', '1', '10']);
    expect(changesOf(text, 'link', 'down_busy')).toEqual([
      [36_000, '0'],
      [320_000, '1'],
      [540_000, '0'],
    ]);
  });

  it('counts credits down while they are out where the limit is known, and up where it is not', () => {
    const records = [
      { kind: CREDITS!, time: 10, sub: 1, a: 16, c: 40 },
      { kind: CREDITS!, time: 12, sub: 1, a: 4, c: 30 },
    ];

    const text = vcd(records, { ...TRACED_CARD, creditLimit: (pool) => (pool === 1 ? 64 : undefined) });

    expect(changesOf(text, 'credits_up', 'pd_available')).toEqual([
      [36_000, '1000000'],
      [40_000, '110000'], // 48
      [48_000, '101100'], // 44
      [120_000, '110000'],
      [160_000, '1000000'],
    ]);
    expect(changesOf(vcd(records), 'credits_up', 'pd_taken').map(([, value]) => value)).toEqual([
      '0',
      '10000',
      '10100',
      '10000',
      '0',
    ]);
    const later = [
      { kind: CREDITS!, time: 3, sub: 2, a: 1, b: 1 }, // when it is back ...
      { kind: CREDITS!, time: 20, sub: 2, a: 1, b: 2, c: 25 }, // ... is said later
    ];
    expect(changesOf(vcd(later), 'credits_up', 'nph_taken').slice(1)).toEqual([
      [12_000, '1'],
      [100_000, '0'],
    ]);
    expect(changesOf(vcd([{ kind: CREDITS!, time: 1, sub: 13, a: 2, c: 9 }]), 'credits_down', 'cpld_taken')).toEqual([
      [0, '0'],
      [4000, '10'],
      [36_000, '0'],
    ]);
  });

  it('marks doorbells when they take effect and messages when they arrive, for a cycle', () => {
    const text = vcd([
      { kind: DOORBELL!, fn: 2, time: 40, sub: 1, c: 10 },
      { kind: MSIX!, fn: 2, time: 50, sub: 2, c: 90 },
      { kind: MSIX!, fn: 2, time: 50, sub: 1, c: 91 },
    ]);

    expect(changesOf(text, 'vf2.queue1', 'doorbell').slice(1)).toEqual([
      [160_000, '1'],
      [164_000, '0'],
    ]);
    expect(changesOf(text, 'vf2', 'msix').slice(1)).toEqual([
      [360_000, '1'],
      [368_000, '0'],
    ]);
    expect(changesOf(text, 'vf2', 'msix_vector').slice(1)).toEqual([
      [360_000, '10'],
      [364_000, '1'],
    ]);
  });

  it('shows register accesses with space, offset and value', () => {
    const text = vcd([{ kind: REGISTER!, fn: 1, time: 6, sub: 1 + 2 * 4, a: 0x14 | (2 << 24), b: 0xffff_fffe }]);

    expect(changesOf(text, 'vf1', 'register_write').at(-2)).toEqual([24_000, '1']);
    expect(changesOf(text, 'vf1', 'register_space').at(-1)).toEqual([24_000, '100']);
    expect(changesOf(text, 'vf1', 'register_offset').at(-1)).toEqual([24_000, '10100']);
    expect(changesOf(text, 'vf1', 'register_value').at(-1)).toEqual([24_000, `${'1'.repeat(31)}0`]);
  });

  it('has scopes in the order of their numbers', () => {
    const text = vcd([10, 2, 0].map((fn) => ({ kind: STATUS!, fn, time: 1, a: 1 })));

    expect([...text.matchAll(/^\$scope module (\S+) /gm)].map(([, name]) => name)).toEqual([
      'virtfn',
      'pf',
      'vf2',
      'vf10',
    ]);
  });

  it('gives every signal a code of its own, of one or more characters', () => {
    const records = Array.from({ length: 200 }, (_, queue) => ({ kind: QUEUE!, fn: NOBODY - 1, sub: queue, time: 1 }));

    const codes = [...vcd(records).matchAll(/^\$var wire \d+ (\S+) /gm)].map(([, code]) => code!);

    expect(new Set(codes).size).toBe(200);
    expect(codes.slice(92, 96)).toEqual(['}', '~', '!!', '!"']);
  });
});
