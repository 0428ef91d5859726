// SPDX-License-Identifier: Apache-2.0
// Fixed runs of a card, each told to a recorder. Their inputs are plain and stand here or in test/fixtures; a run that is
// changed gets another name, so that its digest is one of its own.
import fc from 'fast-check';

import { enumerate } from '../../../src/device/bus.ts';
import type { NicConfig } from '../../../src/device/config.ts';
import type { ForeignMemory } from '../../../src/device/foreign.ts';
import { createNic, type Nic } from '../../../src/device/nic.ts';
import type { NicMode } from '../../../src/device/profile.ts';
import { bootExecutor, type CardTargetName } from '../../../src/fuzz/card_target.ts';
import { FUNCTIONS as FUZZED_FUNCTIONS, SLICE_BYTES } from '../../../src/fuzz/layout.ts';
import { PfDriver } from '../../../src/guest/pf_driver.ts';
import type { Clock } from '../../../src/guest/platform.ts';
import { VirtioNetLegacy } from '../../../src/guest/virtio_net_legacy.ts';
import { IommufdContext } from '../../../src/iommufd/context.ts';
import { Ioas } from '../../../src/iommufd/ioas.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { guestMemory } from '../../../src/provisioning/guest_memory.ts';
import { OnDemandFunctions } from '../../../src/provisioning/on_demand.ts';
import { SriovLifecycle } from '../../../src/provisioning/sriov_lifecycle.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { F } from '../../support/registers.ts';
import { Scenario, steps } from '../../property/support/scenario.ts';
import { PlainMemory } from '../../support/plain_memory.ts';
import { TRACE_RING_BYTES, type Recorder } from './recorder.ts';

type Run = (recorder: Recorder) => void;

const MODES: readonly NicMode[] = ['functional', 'timed'];
const SEEDS = [1, 2, 3];
const STEPS = 150;

/** Random work on raw rings (test/property): frames, buffers, commands, waiting. */
function work(seed: number, features: readonly number[], config: NicConfig): Run {
  return (recorder) => {
    const scenario = new Scenario({ build: 'release', traceAdmin: true, ...config }, features);
    const { nic } = scenario.card;
    recorder.watch(nic);
    const [list] = fc.sample(steps(STEPS), { seed, numRuns: 1 });
    for (let round = 0; round < 3; round++) {
      for (const step of list!) scenario.do(step);
      scenario.card.settle();
      recorder.takeTrace(nic);
      if (round === 0) scenario.restart(1);
      if (round === 1) nic.configWrite(2, 0x5c, 2, 0x8000); // Initiate Function Level Reset
    }
    for (const memory of scenario.memory()) recorder.bytes('memory', memory);
    recorder.end(nic);
  };
}

/** What a machine is asked for beside its drivers. */
function registers(nic: Nic, functions: readonly number[]): void {
  for (const fn of functions) {
    for (let offset = 0; offset < 0x400; offset += 4) nic.configRead(fn, offset, 4);
    for (let offset = 0; offset < 0x40; offset += 4) nic.read(fn, 2, offset, 4);
    for (let offset = 0x2000; offset < 0x2010; offset += 2) nic.read(fn, 2, offset, 2);
  }
}

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/** Modern and legacy drivers on the first and the last VFs, the control queue, faults, the link, VLANs, VFs that go and come. */
function drivers(config: NicConfig & { readonly totalVfs: number }): Run {
  return (recorder) => {
    const { totalVfs } = config;
    const machine = new Machine({ traceAdmin: true, vfQueuePairs: 2, numVfs: 0, ...config });
    const { nic, pf } = machine;
    recorder.watch(nic);
    nic.provision(totalVfs, { mtu: 2000, vlan: 7, rateMbps: 2000, spoofCheck: true, trust: false });
    pf.setNumVfs(totalVfs);
    registers(nic, [0, 1, totalVfs]);
    const onReceive = (bytes: Uint8Array, offset: number, length: number): void =>
      recorder.bytes('received', bytes.subarray(offset, offset + length));
    const modern = machine.startModern(1, { queuePairs: 2, rxBufferBytes: 300, onReceive, wantsTxInterrupts: true });
    const legacy = totalVfs > 1 ? machine.startLegacy(totalVfs, { onReceive }) : null;
    const other = machine.pf.net;
    const send = (from: typeof modern | NonNullable<typeof legacy>, to: ArrayLike<number>, length: number): void => {
      const frame = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
      frame.set([...Array.from(to), ...from.mac, 0x88, 0xb5]);
      from.send(frame);
    };
    for (let round = 0; round < 20; round++) {
      send(modern, BROADCAST, 60 + 70 * round);
      send(other, modern.mac, 64 + round);
      if (legacy !== null) {
        send(legacy, BROADCAST, 60 + round);
        send(modern, legacy.mac, 1000);
      }
      const fromOutside = new Uint8Array(100 + round);
      fromOutside.set([...modern.mac, 2, 0, 0, 0, 0, 9, 8, 0, 0x45]);
      nic.receiveFrame(fromOutside);
      if (round % 4 === 0) machine.settle();
      if (round === 9) nic.setLink(false);
      if (round === 11) nic.setLink(true);
      if (round === 13) nic.injectReadFault('poisoned');
      recorder.takeTrace(nic);
    }
    machine.settle();
    recorder.note(`modes ${modern.transport.status()}`);
    modern.stop();
    modern.start();
    recorder.note(`promiscuous ${modern.setReceiveMode(true, false)} table ${modern.setMacTable([other.mac], [])}`);
    recorder.note(`address ${modern.setMac(Uint8Array.of(2, 1, 1, 1, 1, 1))}`);
    if (legacy !== null) recorder.note(`address ${legacy.setMac(Uint8Array.of(2, 1, 1, 1, 1, 2))}`);
    send(other, Uint8Array.of(2, 1, 1, 1, 1, 1), 300);
    machine.settle();
    recorder.note(JSON.stringify(modern.statistics()));
    recorder.end(nic);
    pf.setNumVfs(0);
    pf.setNumVfs(totalVfs);
    recorder.end(nic);
  };
}

/** Functions by PASID and as mediated devices beside VFs, made and taken away. */
function onDemand(mode: NicMode): Run {
  return (recorder) => {
    const machine = new Machine({ mode, totalVfs: 2, numVfs: 0, onDemandFunctions: 2, traceAdmin: true });
    const { nic } = machine;
    recorder.watch(nic);
    const host = new SriovLifecycle(machine);
    const functions = new OnDemandFunctions(host);
    for (const kind of ['sriov', 'mdev', 'siov'] as const) {
      const made = functions.create(kind);
      made.configure({ mac: '02:00:00:00:00:42' });
      recorder.note(`${kind} ${made.enable().path}`);
      const file = made.open();
      const iommufd = new IommufdContext(nic);
      const ioas = iommufd.ioasAlloc();
      const memory = guestMemory(nic, iommufd, ioas, 1 << 20);
      file.bind(iommufd);
      file.attach({ id: ioas });
      recorder.note(`requester ${file.requesterId}`);
      for (let offset = 0; offset < 0x100; offset += 4) file.read(7, offset, 4);
      const driver = new VirtioNetLegacy(file, memory, machine.clock);
      driver.start();
      const frame = new Uint8Array(200);
      frame.set(BROADCAST);
      driver.send(frame);
      machine.settle();
      recorder.bytes('memory', memory.u8);
      file.close();
      made.destroy();
      machine.settle();
    }
    recorder.end(nic);
  };
}

/** Memory that tells when it is asked for what. */
class ToldMemory implements ForeignMemory {
  readonly plain = new PlainMemory(4 << 20);
  private readonly recorder: Recorder;
  private readonly now: () => number;

  constructor(recorder: Recorder, now: () => number) {
    this.recorder = recorder;
    this.now = now;
  }

  read(offset: number, length: number, target: Uint8Array, at: number): boolean {
    this.recorder.note(`${this.now()} dma read ${offset} ${length}`);
    target.set(this.plain.u8.subarray(offset, offset + length), at);
    return true;
  }

  write(offset: number, length: number, source: Uint8Array, at: number): boolean {
    const bytes = source.subarray(at, at + length);
    this.recorder.note(`${this.now()} dma write ${offset} ${Buffer.from(bytes).toString('hex')}`);
    this.plain.u8.set(bytes, offset);
    return true;
  }
}

/** Every access to host memory in its order: a PF whose driver sends, receives and gives commands, in foreign memory. */
function foreignMemory(mode: NicMode): Run {
  return (recorder) => {
    const nic = createNic({ mode, totalVfs: 4, traceAdmin: true });
    const bus = enumerate(nic);
    recorder.watch(nic);
    const now = (): number => (mode === 'timed' ? nic.now() : 0);
    const memory = new ToldMemory(recorder, now);
    const device = new VfioPci(nic, 0, bus, 'hardware');
    const ioas = new Ioas(nic);
    ioas.map(memory.plain.iova(0), memory.plain.size, { foreign: memory });
    device.attach(ioas);
    const clock: Clock = {
      now: () => nic.now(),
      waitForEvent: () => nic.runToOutput(),
      advance: (cycles) => void nic.advance(nic.now() + cycles),
    };
    const pf = new PfDriver(device, memory.plain, clock);
    pf.start();
    pf.setNumVfs(4);
    for (let round = 0; round < 8; round++) {
      const frame = new Uint8Array(60 + 200 * round).fill(round);
      frame.set([...BROADCAST, ...pf.net.mac, 0x88, 0xb5]);
      for (let n = 0; n < 5; n++) pf.net.send(frame);
      nic.receiveFrame(frame);
      nic.runToIdle();
    }
    recorder.end(nic);
  };
}

/** Programs of the fuzzer as they were once kept (test/fixtures/behaviour), each from a card after boot. */
function programs(target: CardTargetName, mode: NicMode, corpus: readonly Uint8Array[]): Run {
  return (recorder) => {
    const executor = bootExecutor(target, mode, {});
    const { card } = executor;
    for (const input of corpus) {
      executor.reset();
      executor.execute(new Uint32Array(input.slice().buffer, 0, input.length >> 2));
      recorder.note(`${executor.traceHash()} ${card.pins.now()} ${JSON.stringify(card.nic.counters())}`);
      recorder.note(JSON.stringify(card.nic.linkTraffic()));
      recorder.bytes('memory', card.u8.subarray(card.slices, card.slices + FUZZED_FUNCTIONS * SLICE_BYTES));
      for (let fn = 0; fn < FUZZED_FUNCTIONS; fn++) recorder.note(JSON.stringify(card.nic.functionCounters(fn)));
    }
  };
}

/** All runs by name; `profiles` by name, `corpora` by target. */
export function allRuns(profiles: readonly string[], corpora: ReadonlyMap<CardTargetName, Uint8Array[]>) {
  const runs = new Map<string, Run>();
  const rings: Readonly<Record<string, readonly number[]>> = {
    plain: [],
    suppressed: [F.EVENT_IDX],
  };
  for (const mode of MODES) {
    for (const [name, features] of Object.entries(rings)) {
      for (const seed of SEEDS) runs.set(`work ${mode} ${name} ${seed}`, work(seed, features, { mode }));
    }
    for (const totalVfs of [1, 4, 1024]) runs.set(`drivers ${mode} ${totalVfs} VFs`, drivers({ mode, totalVfs }));
    runs.set(`drivers ${mode} packed`, drivers({ mode, totalVfs: 4, packed: true }));
    runs.set(`on demand ${mode}`, onDemand(mode));
    runs.set(`foreign memory ${mode}`, foreignMemory(mode));
    for (const [target, corpus] of corpora) runs.set(`programs ${target} ${mode}`, programs(target, mode, corpus));
  }
  for (const profileName of profiles) {
    const config = { profileName, traceBytes: TRACE_RING_BYTES };
    runs.set(`traced work ${profileName}`, work(4, [F.EVENT_IDX], config));
    runs.set(`traced drivers ${profileName}`, drivers({ totalVfs: 4, ...config }));
    runs.set(`traced drivers ${profileName} packed`, drivers({ totalVfs: 4, packed: true, ...config }));
  }
  return runs;
}
