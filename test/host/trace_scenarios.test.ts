// SPDX-License-Identifier: Apache-2.0
// Scenarios of `virtfn trace` on the card itself: what the files say agrees with what was done and with each other.
import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from 'vitest';

import { runScenario, SCENARIOS, type RecordedRun, type ScenarioName } from '../../src/machine/scenario.ts';
import { framePieces, perfettoPieces, tlpPieces, traceRecords, vcdPieces } from '../../src/trace/index.ts';
import { openCapture } from '../../src/wire/capture.ts';
import { readPerfetto, type ReadTrace } from '../support/perfetto_reader.ts';
import { repoPath } from '../support/repo.ts';
import { readTlp } from '../support/tlp_reader.ts';
import { joined } from '../support/trace_records.ts';

const EVERYTHING = 15; // TLPs, state, frames, data
const CAPTURE = 'test/fixtures/ping_http.pcap';

function run(name: ScenarioName): RecordedRun {
  const capture = (): ReturnType<typeof openCapture> => openCapture(readFileSync(repoPath(CAPTURE)), CAPTURE);
  return runScenario(name, { vfs: 2, mask: EVERYTHING, capture });
}

function timeline({ card, chunks }: RecordedRun): ReadTrace {
  return readPerfetto(joined(perfettoPieces(card, traceRecords(chunks))));
}

/** The TLPs of a run, as the specification reads them: behind 28 bytes of the block and 48 of headers. */
function tlps({ card, chunks }: RecordedRun): Record<string, number | string>[] {
  const packets = [...tlpPieces(card, traceRecords(chunks))].slice(2);
  return packets.map((block) => {
    const captured = new DataView(block.buffer, block.byteOffset).getUint32(20, true);
    return readTlp(block.subarray(28 + 48, 28 + captured));
  });
}

describe('admin', () => {
  let admin: RecordedRun;
  let trace: ReadTrace;
  beforeAll(() => {
    admin = run('admin');
    trace = timeline(admin);
  });

  it('is thirteen commands: seven registers, six bytes of the MAC address', () => {
    const commands = trace.slices.filter(({ category }) => category === 'admin');

    expect(commands.map(({ name }) => name)).toEqual([
      ...Array.from({ length: 7 }, () => 'LEGACY_COMMON_CFG_READ'),
      ...Array.from({ length: 6 }, () => 'LEGACY_DEV_CFG_READ'),
    ]);
    expect(commands.every(({ annotations }) => annotations['member'] === 'vf1' && annotations['status'] === '0')).toBe(
      true,
    );
  });

  it('leads each from its doorbell to its message', () => {
    const parts = (category: string): number[] =>
      trace.slices.filter((slice) => slice.category === category && slice.depth === 0).map(({ flows }) => flows.length);
    const flows = trace.slices.flatMap((slice) => slice.flows);

    expect(parts('doorbell')).toEqual(Array.from({ length: 13 }, () => 1));
    expect(new Set(flows).size).toBe(13);
    expect(flows).toHaveLength(3 * 13);
  });

  it('has the descriptors and the data of each command read inside it', () => {
    const { track } = trace.slices.find(({ category }) => category === 'admin')!;
    const reads = trace.slices.filter((slice) => slice.track === track && slice.name === 'DMA read');

    // ring descriptor, indirect table, header with data
    expect(reads).toHaveLength(3 * 13);
    expect(reads.every(({ depth }) => depth === 2)).toBe(true);
  });

  it('ends with all tags and credits back', () => {
    const last = Object.entries(trace.counters)
      .filter(([name]) => /tags|credits/.test(name))
      .map(([name, values]) => [name.replace('virtfn/', ''), values.at(-1)![1]]);

    expect(Object.fromEntries(last)).toMatchObject({
      'tags in use': 0,
      'up NPH credits available': 64,
      'up PH credits available': 64,
      'up PD credits available': 1024,
    });
  });

  it('reads nothing on the link that is not answered, byte for byte', () => {
    const wanted = new Map<number, number>();
    for (const tlp of tlps(admin)) {
      const tag = Number(tlp['tag']);
      if (String(tlp['name']).startsWith('MRd')) {
        expect(wanted.has(tag)).toBe(false);
        wanted.set(tag, Number(tlp['Length']));
      } else if (tlp['name'] === 'CplD') {
        const left = wanted.get(tag)! - Number(tlp['Length']);
        if (left === 0) wanted.delete(tag);
        else wanted.set(tag, left);
      }
    }

    expect(wanted.size).toBe(0);
  });
});

describe('traffic', () => {
  it('has each frame of the capture at VF 1 and at VF 2', () => {
    const { card, chunks } = run('traffic');

    const packets = [...framePieces(card, traceRecords(chunks))].slice(1 + 4).map((block) => Buffer.from(block));
    const framesOf = (fn: number): string[] =>
      packets
        .filter((block) => block.readUInt32LE(8) === fn)
        .map((block) => block.subarray(28, 28 + block.readUInt32LE(20)).toString('hex'));

    const sent = Array.from(openCapture(readFileSync(repoPath(CAPTURE)), CAPTURE).frames(), ({ bytes }) =>
      Buffer.from(bytes).toString('hex'),
    );
    expect(framesOf(1)).toEqual(sent);
    expect(framesOf(2)).toEqual(sent);
  });
});

describe.each(Object.keys(SCENARIOS) as ScenarioName[])('%s', (name) => {
  it('gives the same files each time', () => {
    const files = (): string[] => {
      const { card, chunks } = run(name);
      const binary = [perfettoPieces, framePieces, tlpPieces].map((pieces) =>
        Buffer.from(joined(pieces(card, traceRecords(chunks)))).toString('base64'),
      );
      return [[...vcdPieces(card, traceRecords(chunks))].join(''), ...binary];
    };

    expect(files()).toEqual(files());
  });

  it('nests every slice and names only packets that exist', () => {
    const recorded = run(name);

    expect(timeline(recorded).slices.length).toBeGreaterThan(100);
    expect(tlps(recorded).filter((tlp) => String(tlp['name']).startsWith('?'))).toEqual([]);
  });
});
