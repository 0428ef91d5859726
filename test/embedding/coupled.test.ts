// SPDX-License-Identifier: Apache-2.0
// One workload on two computers: the host inside the core, and another simulator with memory and a clock of its own that is
// coupled with the card conservatively. With the same latencies everything happens in the same cycle.
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../assembly/abi/trace_kind.ts';
import { enumerate } from '../../src/device/bus.ts';
import type { NicConfig } from '../../src/device/config.ts';
import { PROFILES } from '../../src/device/profiles.ts';
import { PfDriver } from '../../src/guest/pf_driver.ts';
import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { VfioPci } from '../../src/vfio/vfio_pci.ts';
import { frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { bytesText, InternalComputer, type Computer } from './support/computer.ts';
import { ExternalComputer } from './support/external_computer.ts';

const CYCLE_PS = 4000;
/** host.read_latency_ns 280: 70 cycles of 4 ns. host.write_latency_ns 116: 29. */
const LATENCIES = { readPs: 280_000, writePs: 116_000 };
const PROFILE = { 'host.read_latency_ns': 280, 'host.write_latency_ns': 116, 'clock.period_ps': CYCLE_PS };

const CARD: NicConfig = { totalVfs: 2, profile: PROFILE, traceBytes: 1 << 24 };

const VF = 1;
const LIST_QUERY = 0;
const SRIOV_GROUP = 1;

/** Bring-up of PF and a VF as Linux does it, administration commands, frames both ways and between functions. */
function work(computer: Computer): string[] {
  const { card, memory, clock, log } = computer;
  card.startTrace(TRACE.MASK_TLP | TRACE.MASK_DATA);
  const bus = enumerate(card);
  const received = (name: string) => (bytes: Uint8Array, offset: number, length: number) =>
    void log.push(`${clock.now()} ${name} received ${bytesText(bytes.subarray(offset, offset + length))}`);
  const pfDevice = new VfioPci(card, 0, bus, 'hardware');
  computer.attach(pfDevice);
  const pf = new PfDriver(pfDevice, memory, clock, { onReceive: received('PF') });
  pf.start();
  pf.setNumVfs(2);
  for (let command = 0; command < 3; command++) {
    const { status, result } = pf.admin.exec(LIST_QUERY, SRIOV_GROUP, 0, new Uint8Array(0), 8);
    log.push(`${clock.now()} list ${status} ${bytesText(result)}`);
  }
  const vfDevice = new VfioPci(card, VF, bus);
  vfDevice.open();
  computer.attach(vfDevice);
  const vf = new VirtioNet(new VirtioModern(vfDevice), memory, clock, {
    onReceive: received('VF'),
    wantsTxInterrupts: true,
  });
  vf.start();
  for (let round = 0; round < 12; round++) {
    for (let n = 0; n < 3; n++) {
      vf.send(frame(STRANGER, macOf(VF), 60 + 117 * round + n, round));
      pf.net.send(frame(macOf(VF), macOf(0), 1514 - 100 * round, n));
    }
    computer.receive(frame(round % 2 === 0 ? macOf(VF) : macOf(0), STRANGER, 64 + 100 * round, round));
    if (round % 3 === 0) log.push(`${clock.now()} status ${vf.transport.status()}`);
    if (round % 4 !== 1) computer.settle();
    else clock.waitForEvent();
  }
  computer.settle();
  vf.stop();
  log.push(`${clock.now()} end`);
  return byCycle(log);
}

/** What happens in one cycle in an order that does not depend on who looks first. */
function byCycle(log: readonly string[]): string[] {
  const cycle = (line: string): number => Number(line.slice(0, line.indexOf(' ')));
  return log.toSorted((a, b) => cycle(a) - cycle(b) || (a < b ? -1 : 1));
}

/** Every TLP on the link, with its times and data. */
function tlps({ card }: Computer): string[] {
  const lines: string[] = [];
  for (const { time, fn, sub, a, b, cLow, cHigh, d, e, payload } of traceRecords([card.takeTrace()])) {
    lines.push([time, fn, sub, a, b, cLow, cHigh, d, e, bytesText(payload)].join(' '));
  }
  return byCycle(lines);
}

const inside = new InternalComputer(CARD);
const expected = work(inside);
const onTheLink = tlps(inside);

describe('the workload', () => {
  it('has frames both ways, interrupts, and much else', () => {
    const lines = (pattern: RegExp): number => expected.filter((line) => pattern.test(line)).length;

    expect(lines(/ frame 1 /)).toBe(36);
    expect(lines(/ VF received /)).toBe(36 + 6);
    expect(lines(/ PF received /)).toBe(6);
    expect(lines(/ vector /)).toBeGreaterThan(20);
    expect(lines(/ config /)).toBeGreaterThan(200);
    expect(onTheLink.length).toBeGreaterThan(1000);
    expect(inside.card.lostTraceRecords()).toBe(0);
  });
});

describe('a simulator with the same latencies', () => {
  it.each([Infinity, 1, 37, 1000])(
    'sees the same in the same cycles, the card running %d cycles at a time',
    (quantum) => {
      const outside = new ExternalComputer(CARD, LATENCIES, quantum);

      expect(work(outside)).toEqual(expected);
      expect(tlps(outside)).toEqual(onTheLink);
    },
  );

  it('answers a read when it says so: 70 cycles after it came, or after the writes before it', () => {
    const outside = new ExternalComputer(CARD, LATENCIES);
    work(outside);

    expect(outside.reads.length).toBeGreaterThan(100);
    for (const { arrivedPs, answeredPs } of outside.reads) {
      expect(answeredPs - arrivedPs).toBeGreaterThanOrEqual(280_000);
      expect(answeredPs - arrivedPs).toBeLessThanOrEqual(280_000 + 116_000);
    }
  });

  // The doorbell of the first command: 29 cycles to the root complex, 28 bytes on the wire (0.89 cycles, seen after 1), 26 on
  // the link, 38 of decoding: 94. The queue waits 4 and is picked after 2 more. Set-up 13, 24 bytes 1, 26: at the root complex
  // after 140. 70 in memory: answered after 210 cycles, 840 ns. Back 1 + 26: the index is there after 237.
  it('does so in a time that arithmetic tells', () => {
    const outside = new ExternalComputer(CARD, LATENCIES);
    const bus = enumerate(outside.card);
    const pf = new PfDriver(new VfioPci(outside.card, 0, bus, 'hardware'), outside.memory, outside.clock);
    pf.start();
    outside.settle();
    outside.log.splice(0);
    outside.reads.splice(0);
    pf.admin.exec(LIST_QUERY, SRIOV_GROUP, 0, new Uint8Array(0), 8);

    const doorbell = Number(outside.log[0]!.split(' ')[0]) * CYCLE_PS;
    expect(outside.log[0]).toMatch(/ write 0 2 /);
    const [index] = outside.reads;
    expect(index).toEqual({
      length: 4, // flags and index
      arrivedPs: doorbell + 140 * CYCLE_PS,
      answeredPs: doorbell + 840_000,
    });
  });

  it('with other latencies sees the same frames at other times', () => {
    const slow = work(new ExternalComputer(CARD, { readPs: 2_000_000, writePs: 40_000 }));
    const frames = (log: readonly string[]): string[] =>
      log.filter((line) => / frame | received /.test(line)).map((line) => line.slice(line.indexOf(' ')));

    expect(frames(slow).toSorted()).toEqual(frames(expected).toSorted());
    expect(slow).not.toEqual(expected);
  });
});

describe('profiles', () => {
  it.each(PROFILES.map(({ name }) => name))('%s: the same in the same cycles', (profileName) => {
    // what a simulator outside has itself is left out: IO-TLB, tails, slow memory
    const plain = {
      'iommu.entries': 0,
      'host.extra_max_ns': 0,
      'host.cold': 0,
      'host.remote': 0,
      'host.interrupt_ns': 0,
    };
    const extra = ['p50', 'p95', 'p99', 'p999'].map((at) => [`host.extra_${at}_ns`, 0] as const);
    const config = { ...CARD, profileName, profile: { ...plain, ...Object.fromEntries(extra) } };
    const computer = new InternalComputer(config);
    const { clockPs, values } = computer.card.profile;
    const rounded = (name: string): number => Math.round((values.get(name)! * 1000) / clockPs) * clockPs;
    const latencies = { readPs: rounded('host.read_latency_ns'), writePs: rounded('host.write_latency_ns') };

    expect(work(new ExternalComputer(config, latencies))).toEqual(work(computer));
  });
});
