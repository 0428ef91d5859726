// SPDX-License-Identifier: Apache-2.0
// Option objects of the public functions: a name that is none, or a value that can mean nothing, is refused by name, as in a
// file, and nothing is made of the rest.
import { describe, expect, it } from 'vitest';

import * as TRACE from '../../assembly/abi/trace_kind.ts';
import {
  coreUrl,
  createNic,
  DmaBuffer,
  encodePcap,
  enumerate,
  generateTraffic,
  Ioas,
  IommufdContext,
  Machine,
  openCapture,
  Replay,
  type NicConfig,
} from '../../src/index.ts';
import { createFuzzTarget, Fuzzer, minimise, type FuzzTarget } from '../../src/fuzz/index.ts';
import { tracedCard } from '../../src/trace/index.ts';
import { VfioPci } from '../../src/vfio/index.ts';

/** As a caller that is not checked by TypeScript writes it. */
const loose = <T>(options: unknown): T => options as T;

describe('options of a card', () => {
  it.each<[options: unknown, message: string]>([
    [{ totalVFs: 4 }, 'totalVFs = 4: no such option; did you mean totalVfs?'],
    [{ total_vfs: 4 }, 'total_vfs = 4: no such option; did you mean totalVfs?'],
    [{ constructor: 4 }, 'constructor = 4: no such option'],
    [{ totalVfs: 0, mtuu: 1 }, 'totalVfs = 0: a whole number from 1 to 1024 is needed'],
    [{ totalVfs: 0, mtuu: 1 }, 'mtuu = 1: no such option; did you mean mtu?'],
    [{ mode: 'fast' }, 'mode = fast: timed or functional is needed'],
    [{ wire: 'pcap' }, 'wire = pcap: host or discard is needed'],
    [{ identityDma: 1 }, 'identityDma = 1: true or false is needed'],
    [{ traceAdmin: 'yes' }, 'traceAdmin = yes: true or false is needed'],
    [{ totalVfs: Number.NaN }, 'totalVfs = NaN: a whole number'],
    [{ totalVfs: '4' }, 'totalVfs = "4": a whole number'],
    [{ totalVfs: [4] }, 'totalVfs = [4]: a whole number'],
    [{ mtu: null }, 'mtu = null: a whole number from 68 to 9000 is needed'],
    [{ mac: null }, 'mac = null: six bytes in hexadecimal'],
    [{ withoutFeatures: null }, 'withoutFeatures = null: a list of bit numbers'],
    [{ legacy: null }, 'legacy = null: true or false is needed'],
    [{ queueSize: null }, 'queueSize = null: a whole number from 2 to 256'],
    [{ windowBytes: null }, 'windowBytes = null: a whole number'],
    [{ traceBytes: Number.NaN }, 'traceBytes = NaN: a whole number from 0 to 268435456 is needed'],
    [
      { profile: 'simple' },
      'profile = simple: an object with values of parameters by name is needed; the name of a profile',
    ],
    [{ profile: 'simple' }, 'goes into profileName'],
    [{ profile: null }, 'profile = null: an object'],
    [{ profileName: null }, 'timing profile null does not exist'],
    [{ profile: { 'link.tag': 1 } }, 'link.tag is no parameter of a profile; did you mean link.tags?'],
    [{ profile: { constructor: 1 } }, 'constructor is no parameter of a profile'],
    [null, 'null is no object of options'],
    [4, '4 is no object of options'],
    [[], '[] is no object of options'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => createNic(loose<NicConfig>(options))).toThrow(message);
  });

  it('are those of a machine, too, with those of its drivers', () => {
    expect(() => new Machine(loose({ numVFs: 1 }))).toThrow('numVFs = 1: no such option');
    expect(() => new Machine(loose({ numVfs: null }))).toThrow('numVfs = null: a whole number');
    expect(() => new Machine(loose({ pfMemoryBytes: null }))).toThrow("pfMemoryBytes = null: the PF's driver takes");
    expect(() => new Machine(loose({ windowBytes: null }))).toThrow('windowBytes = null: a whole number');
    expect(() => new Machine(loose({ pf: null }))).toThrow("PF's driver: null is no object of options");
    expect(() => new Machine(loose([]))).toThrow('machine: [] is no object of options');
    expect(() => new Machine(loose({ pf: { queuPairs: 1 } }))).toThrow(
      "PF's driver: queuPairs: no such option; did you mean queuePairs?",
    );
    const machine = new Machine({ mode: 'functional', totalVfs: 1 });
    expect(() => machine.startModern(1, loose({ queuepair: 2 }))).toThrow('did you mean queuePairs?');
    expect(() => machine.startLegacy(1, loose({ queuePairs: 2 }))).toThrow(
      'legacy driver: queuePairs: no such option; there are onReceive, onLinkChange, wantsMsix',
    );
  });
});

describe('options of a driver', () => {
  const machine = new Machine({ mode: 'functional', totalVfs: 1 });
  const before = machine.nic.digest();

  it.each<[options: unknown, message: string]>([
    [{ queueSize: Number.NaN }, 'queueSize = NaN: a power of two from 2 to 32768 is needed'],
    [{ queueSize: 3 }, 'queueSize = 3: a power of two'],
    [{ queueSize: 65_536 }, 'queueSize = 65536: a power of two'],
    [{ queuePairs: Number.NaN }, 'queuePairs = NaN: a whole number from 1 to 32768 is needed'],
    [{ queuePairs: 0 }, 'queuePairs = 0: a whole number'],
    [{ queuePairs: 1.5 }, 'queuePairs = 1.5: a whole number'],
    [{ queuePairs: null }, 'queuePairs = null: a whole number'],
    // a virtio-net header of 12 bytes, an Ethernet header of 14
    [{ rxBufferBytes: 25 }, 'rxBufferBytes = 25: a whole number from 26 to 65562 is needed'],
    [{ rxBufferBytes: Number.NaN }, 'rxBufferBytes = NaN: a whole number'],
    [{ rxBufferBytes: -1 }, 'rxBufferBytes = -1: a whole number'],
    [{ answerWaits: 0 }, 'answerWaits = 0: a whole number'],
    [{ wantsTxInterrupts: 1 }, 'wantsTxInterrupts = 1: true or false is needed'],
    [{ onReceive: 5 }, 'onReceive = 5: a function is needed'],
    [{ onLinkChange: {} }, 'onLinkChange = an object: a function is needed'],
    [{ queuePairs: 0, onReceive: [] }, 'onReceive = []: a function is needed; queuePairs = 0: '],
    [[], 'modern driver: [] is no object of options'],
  ])('%j are refused: %s', (options, message) => {
    expect(() => machine.startModern(1, loose(options))).toThrow(message);
    expect(machine.nic.digest()).toBe(before);
  });

  it.each<[options: unknown, message: string]>([
    [{ rxBufferBytes: 12 }, 'rxBufferBytes = 12: a whole number from 26'],
    [{ refusedFeatures: [1, Number.NaN] }, 'refusedFeatures = [1, NaN]: a list, each a whole number from 0 to 127,'],
    [{ refusedFeatures: 5 }, 'refusedFeatures = 5: a list'],
    [{ wantsMsix: 'no' }, 'wantsMsix = no: true or false'],
    [null, 'legacy driver: null is no object of options'],
  ])('%j are refused by the legacy one: %s', (options, message) => {
    expect(() => machine.startLegacy(1, loose(options))).toThrow(message);
    expect(machine.nic.digest()).toBe(before);
  });

  it.each<[pf: unknown, message: string]>([
    [{ admin: { slot: 3 } }, "PF's driver: admin: slot: no such option; did you mean slots?"],
    [{ admin: { slots: 0 } }, 'slots = 0: a whole number from 1 to 32768 is needed'],
    [{ admin: { dataBytes: Number.NaN } }, 'dataBytes = NaN: a whole number'],
    [{ admin: { answerWaits: Infinity } }, 'answerWaits = Infinity: a whole number'],
    [{ admin: null }, 'admin: null is no object of options'],
    [{ wantedCommands: -1 }, 'wantedCommands = -1: a whole number'],
    [{ cyclesPerMs: Number.NaN }, 'cyclesPerMs = NaN: a number from 0'],
    [{ resetPollLimit: 0 }, 'resetPollLimit = 0: a whole number'],
    [{ queueSize: Number.NaN }, 'queueSize = NaN: a power of two'],
  ])("%j are refused by the PF's: %s", (pf, message) => {
    expect(() => new Machine(loose({ pf }))).toThrow(message);
  });
});

describe('memory', () => {
  const nic = createNic({ totalVfs: 1, mode: 'functional' });
  const ioas = new Ioas(nic);
  const buffer = new DmaBuffer(nic, ioas, 8192);
  const before = nic.digest();

  it.each<[what: string, ask: () => unknown, message: string]>([
    [
      'a permission by another name',
      () => ioas.map(0x10_0000, 4096, 0, loose({ raed: false })),
      'map: raed: no such option; there are read, write',
    ],
    ['no permissions', () => ioas.map(0x10_0000, 4096, 0, loose(null)), 'map: null is no object of options'],
    ['a permission that is none', () => ioas.map(0x10_0000, 4096, 0, loose({ read: 0 })), 'read = 0: true or false is'],
    ['memory by another name', () => ioas.map(0x10_0000, 4096, loose({ foreing: {} })), 'did you mean foreign?'],
    [
      'memory that is none',
      () => ioas.map(0x10_0000, 4096, loose({ foreign: {} })),
      'foreign = an object: an object with',
    ],
    ['no memory', () => ioas.map(0x10_0000, 4096, loose(null)), 'memory to map: null is no object'],
    ['a length that is none', () => ioas.map(0x10_0000, Number.NaN, 0), 'length = NaN: a whole number'],
    ['a place that is none', () => ioas.map(0x10_0000, 4096, Number.NaN), 'window = NaN: a whole number'],
    ['an end that is none', () => ioas.unmap(0, Number.NaN), 'length = NaN: a whole number'],
    // a PF, a VF and 64 more
    ['another address space', () => nic.attachIoas(0, 99), 'address space = 99: a whole number from 0 to 65 is needed'],
    ['no address space', () => nic.attachIoas(0, Number.NaN), 'address space = NaN: a whole number'],
    ['a mapping in another', () => nic.mapIoas(-1, 0, 4096, 0, 3), 'address space = -1: a whole number'],
    [
      'permissions of no kind',
      () => nic.mapIoas(ioas.id, 0, 4096, 0, 8),
      'permissions = 8: a whole number from 0 to 7',
    ],
    ['a block of no size', () => buffer.alloc(Number.NaN, 8), 'bytes = NaN: a whole number'],
    ['a block at no place', () => buffer.alloc(8, 3), 'align = 3: a power of two'],
    ['a window of no size', () => nic.takeWindow(Number.NaN), 'bytes of guest memory = NaN: a whole number'],
  ])('(%s) is refused', (_what, ask, message) => {
    expect(ask).toThrow(message);
    expect(nic.digest()).toBe(before);
  });

  it('is not mapped by a request with other names', () => {
    const context = new IommufdContext(nic);
    const id = context.ioasAlloc();
    const request = { source: { window: 0 }, length: 4096, read: true };

    expect(() => context.ioasMap(id, loose({ ...request, wirte: true }))).toThrow(
      'IOAS_MAP: wirte: no such option; there are',
    );
    expect(() => context.ioasMap(id, loose({ ...request, source: { widnow: 0 } }))).toThrow('widnow: no such option');
    expect(() => context.ioasCopy(id, loose({ srcIoas: id, srcIova: 0, length: 4096, raed: true }))).toThrow(
      'raed: no such option',
    );
    expect(() => context.hwptAlloc(loose({ device: 1, pt: id, nestParents: true }))).toThrow(
      'did you mean nestParent?',
    );
    expect(() => context.createAccess(loose({ unmap: 5 }))).toThrow('unmap = 5: a function is needed');
    expect(() => context.ioasAllowIovas(id, [{ start: Number.NaN, last: 4095 }])).toThrow(
      'start = NaN: a whole number',
    );
  });
});

describe('where the core comes from', () => {
  it.each<[options: unknown, message: string]>([
    [{ bulid: 'debug' }, 'core: bulid: no such option; there are build, module'],
    [{ build: 'fast' }, 'core: build = fast: release or debug or instrumented is needed'],
    [{ module: 5 }, 'core: module = 5: a compiled module is needed'],
    [null, 'core: null is no object of options'],
  ])('%j is refused: %s', (options, message) => {
    expect(() => createNic({}, loose(options))).toThrow(message);
    expect(() => new Machine({}, loose(options))).toThrow(message);
  });

  it('is refused by its address, too', () => {
    expect(() => coreUrl(loose('fast'))).toThrow('core: build = fast: release or debug');
  });
});

describe('captures, fuzzers and traces', () => {
  const frame = { seconds: 1, nanoseconds: 0, bytes: new Uint8Array(60), originalLength: undefined };
  const target = { seeds: () => [] } as unknown as FuzzTarget;

  it.each<[what: string, ask: () => unknown, message: string]>([
    [
      'a capture without name',
      () => openCapture(Uint8Array.of(1), loose(undefined)),
      'name = undefined: text for messages',
    ],
    ['a capture of text', () => openCapture(loose('a.pcap'), 'a'), 'bytes = a.pcap: a Uint8Array or a function is'],
    ['a stamp that is none', () => encodePcap([{ ...frame, seconds: Number.NaN }]), 'seconds = NaN: a whole number'],
    ['a stamp of parts', () => encodePcap([{ ...frame, seconds: 1.5 }]), 'seconds = 1.5: a whole number'],
    [
      'more than a second',
      () => encodePcap([{ ...frame, nanoseconds: 1e9 }]),
      'nanoseconds = 1000000000: a whole number',
    ],
    ['a target of everything', () => createFuzzTarget('constructor'), 'target constructor: the targets are'],
    ['a target of another core', () => createFuzzTarget('driver', loose({ bulid: 1 })), 'bulid: no such option'],
    ['a card of another core', () => createFuzzTarget('regs', loose({ build: 5 })), 'build = 5: release or debug'],
    ['a fuzzer with another name', () => new Fuzzer(target, loose({ sed: 1 })), 'did you mean seed?'],
    ['a fuzzer of no seed', () => new Fuzzer(target, { seed: Number.NaN }), 'seed = NaN: a whole number'],
    ['a fuzzer that never looks', () => new Fuzzer(target, { thoroughEvery: 0 }), 'thoroughEvery = 0: a whole number'],
    ['inputs that are none', () => new Fuzzer(target, { corpus: loose([5]) }), 'corpus = [5]: a list of Uint8Arrays'],
    ['no end', () => minimise(target, frame.bytes, 'O1', Number.NaN), 'budget = NaN: a whole number'],
    ['no queue', () => tracedCard(createNic({ totalVfs: 1 }), Number.NaN), 'adminQueue = NaN: a whole number'],
    ['no link', () => createNic({ totalVfs: 1 }).setLink(loose('down')), 'isUp = down: true or false is needed'],
  ])('(%s) are refused', (_what, ask, message) => {
    expect(ask).toThrow(message);
  });
});

describe('what is asked of a card', () => {
  const nic = createNic({ totalVfs: 2, traceBytes: 4096 });

  it.each<[what: string, ask: () => unknown, message: string]>([
    [
      'a profile with another name',
      () => nic.provision(1, loose({ vlans: 3 })),
      'vlans = no such field; did you mean vlan?',
    ],
    ['no profile', () => nic.provision(1, loose(null)), 'profile of function 1: profile = null: an object is needed'],
    ['an MTU that is none', () => nic.provision(1, { mtu: Number.NaN }), 'mtu = NaN: a whole number'],
    ['a handler that is none', () => nic.onVector(1, 0, loose(5)), 'onVector = 5: a function or null is needed'],
    ['frames for nobody', () => nic.onFrame(loose({})), 'onFrame = an object: a function or null is needed'],
    ['a vector beyond the table', () => nic.onVector(1, 32, null), 'vector = 32: a whole number from 0 to 31'],
    ['a negative vector', () => nic.onVector(1, -1, () => {}), 'vector = -1: a whole number from 0 to 31'],
    ['a vector of no function', () => nic.onVector(3, 0, () => {}), 'function = 3: a whole number from 0 to 2'],
    ['time before the start', () => nic.advance(-1), 'advance to -1: cycles from 0 to'],
    ['time that is none', () => nic.advance(Number.NaN), 'advance to NaN'],
    ['a trace of nothing known', () => nic.startTrace(Number.NaN), 'mask = NaN: a whole number from 0 to 15'],
    ['a trace of more', () => nic.startTrace(TRACE.MASK_TLP << 4), 'mask = 16: a whole number from 0 to 15'],
    [
      'an answer with another name',
      () => nic.injectAdminStatus(loose({ statsu: 1 })),
      'no such option; did you mean status?',
    ],
    ['an answer without end', () => nic.injectAdminStatus({ status: 1, count: Number.NaN }), 'count = NaN'],
    ['an answer without status', () => nic.injectAdminStatus(loose({})), 'status = undefined: a whole number from 0'],
    ['spoilt reads without end', () => nic.injectReadFault('lost', Number.NaN), 'count = NaN: a whole number from 0'],
    [
      'a replay by no driver',
      () => new Replay({ frames: () => [] }, loose({ via: 'telnet' })),
      'via = telnet: legacy or',
    ],
    ['an answer to no opcode', () => nic.injectAdminStatus({ status: 1, opcode: -1 }), 'opcode = -1'],
    [
      'traffic with another name',
      () => generateTraffic(nic, loose({ operation: 'read', bytes: 64, operations: 1, warmUp: 1 })),
      'did you mean warmup?',
    ],
    [
      'traffic of no kind',
      () => generateTraffic(nic, loose({ operation: 'reed', bytes: 64, operations: 1 })),
      'operation = reed: there are read, write',
    ],
    [
      'traffic after a warm-up that is none',
      () => generateTraffic(nic, { operation: 'read', bytes: 64, operations: 1, warmup: Number.NaN }),
      'warmup = NaN',
    ],
    ['another view', () => new VfioPci(nic, 0, { pf: [], vf: [] }, loose('hardwre')), 'hardwre is no view'],
    [
      'a replay with another name',
      () => new Replay({ frames: () => [] }, loose({ via: 'legacy', tot: 1 })),
      'replay: tot',
    ],
  ])('(%s) is refused', (_what, ask, message) => {
    const before = nic.digest();

    expect(ask).toThrow(message);
    expect(nic.digest()).toBe(before);
  });

  it('is done where it is right', () => {
    const good = createNic({ totalVfs: 2 });
    enumerate(good);

    expect(() => good.onVector(2, 31, null)).not.toThrow();
    expect(() => good.injectAdminStatus({ status: 0, count: 0 })).not.toThrow();
    expect(good.advance(0).now).toBe(good.now());
  });
});
