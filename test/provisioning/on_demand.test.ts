// SPDX-License-Identifier: Apache-2.0
// Functions on demand: nothing before they are created, a whole network function afterwards, nothing again when they are
// destroyed. Their DMA is told from the PF's by the PASID prefix (PCIe 6.0 §6.20, §2.2.10.4).
import { describe, expect, it } from 'vitest';

import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import { Machine } from '../../src/machine/machine.ts';
import { traceRecords } from '../../src/trace/records.ts';
import { TlpEncoder } from '../../src/trace/tlp.ts';
import { VfioPci } from '../../src/vfio/vfio_pci.ts';
import { Port } from '../conformance/net/support/port.ts';
import { BROADCAST, frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { MODES, RawCard, type RawCardOptions } from '../support/raw_card.ts';
import { F } from '../support/registers.ts';

const VFS = 2;
/** The first function behind the VFs. */
const FIRST = VFS + 1;
const PASID = 0x54321;
const FEATURES = { features: [F.MAC, F.CTRL_VQ, F.CTRL_RX], control: 2 };

function card(options: RawCardOptions = {}): RawCard {
  return new RawCard({ numVfs: VFS, onDemandFunctions: 2, queueSize: 64, ...options });
}

describe.each(MODES)('%s', (mode) => {
  it('is not there before it is created: registers read all ones, writes are lost', () => {
    const { nic } = card({ mode });

    expect(nic.functions()).toBe(1 + VFS + 2);
    expect(nic.isPresent(FIRST)).toBe(false);
    expect(nic.read(FIRST, 2, 0x14, 1)).toBe(0xff);
    expect(nic.configRead(FIRST, 0, 4)).toBe(0xffffffff);
    expect(nic.read(VFS, 2, 0x14, 1)).toBe(0);
  });

  it('has the address of its number and the id of the PF, and no id of the bus leads to it', () => {
    const { nic } = card({ mode });
    nic.createFunction(FIRST, PASID);

    expect(nic.isPresent(FIRST)).toBe(true);
    expect(nic.routingId(FIRST)).toBe(nic.routingId(0));
    expect(nic.functionAt(nic.routingId(FIRST))).toBe(0);
    expect(nic.pasid(FIRST)).toBe(PASID);
    expect(nic.provisioned(FIRST).mac).toBe('02:76:66:00:00:03');
  });

  it('exchanges frames with the PF, VFs, its own kind and the wire', () => {
    const bench = card({ mode });
    bench.nic.createFunction(FIRST, PASID);
    bench.nic.createFunction(FIRST + 1, null);
    const ports = [0, 1, FIRST, FIRST + 1].map((fn) => new Port(bench, fn, FEATURES));
    for (const port of ports) port.post(Array.from({ length: 8 }, () => 200));
    for (const from of ports) {
      for (const to of ports.filter((port) => port !== from)) {
        const bytes = frame(to.mac, from.mac);
        from.send(bytes);
        expect(to.frames()).toEqual([bytes]);
      }
    }
    const [, , port] = ports;
    const out = frame(STRANGER, port!.mac);
    port!.send(out);
    expect(bench.wire.map(({ fn, bytes }) => [fn, bytes])).toEqual([[FIRST, out]]);

    bench.arrive(frame(BROADCAST, STRANGER));

    expect(ports.map((each) => each.frames().length)).toEqual([1, 1, 1, 1]);
  });

  it('is not touched by VF Enable; a reset of the PF takes it away', () => {
    const bench = card({ mode });
    bench.nic.createFunction(FIRST, PASID);
    const port = new Port(bench, FIRST, FEATURES);
    port.post([200]);

    bench.nic.configWrite(0, 0x148, 2, 0);
    expect([1, 2, FIRST].map((fn) => bench.nic.isPresent(fn))).toEqual([false, false, true]);
    bench.arrive(frame(port.mac, STRANGER));
    expect(port.frames()).toHaveLength(1);

    bench.nic.configWrite(0, 0x5c, 2, 0x8000);
    expect(bench.nic.isPresent(FIRST)).toBe(false);
    expect(bench.nic.read(FIRST, 2, 0x14, 1)).toBe(0xff);
    bench.nic.createFunction(FIRST + 1, PASID); // which is free again
  });

  it('is driven by an ordinary driver through vfio', () => {
    const machine = new Machine({ mode, totalVfs: 1, onDemandFunctions: 1, windowBytes: 8 << 20 });
    const { nic, bus, clock } = machine;
    nic.createFunction(2, PASID);
    const device = new VfioPci(nic, 2, bus);
    device.open();
    const driver = new VirtioNet(new VirtioModern(device), machine.memoryFor(device), clock);
    driver.start();
    const got: number[] = [];
    const peer = machine.startModern(1, { onReceive: (_bytes, _offset, length) => got.push(length) });

    driver.send(frame(Uint8Array.from(peer.mac), Uint8Array.from(driver.mac), 300));
    machine.settle();

    expect(device.requesterId).toBe(nic.routingId(0));
    expect([...driver.mac]).toEqual([...macOf(2)]);
    expect(got).toEqual([300]);
  });

  it('destroyed with work under way: no message and no byte of memory changes afterwards', () => {
    const bench = card({ mode });
    bench.nic.createFunction(FIRST, PASID);
    const vf = new Port(bench, 1, FEATURES);
    const port = new Port(bench, FIRST, FEATURES);
    port.post(Array.from({ length: 8 }, () => 200));
    for (let i = 0; i < 8; i++) vf.queue(frame(port.mac, vf.mac));
    for (let i = 0; i < 8; i++) port.queue(frame(STRANGER, port.mac));
    bench.nic.write(1, 2, 0x3004, 2, 1);
    bench.nic.write(FIRST, 2, 0x3004, 2, 1);
    bench.nic.advance(bench.nic.now() + 700);

    bench.nic.destroyFunction(FIRST);
    const before = port.fn.memory.u8.slice();
    const messages = bench.interrupts(FIRST).length;
    bench.settle();

    expect(Buffer.compare(port.fn.memory.u8, before)).toBe(0);
    expect(bench.interrupts(FIRST)).toHaveLength(messages);
    expect(bench.nic.isPresent(FIRST)).toBe(false);
    expect(vf.fn.needsReset).toBe(false);
  });

  it('comes back cold, and detached, with another PASID', () => {
    const bench = card({ mode });
    bench.nic.createFunction(FIRST, PASID);
    new Port(bench, FIRST, FEATURES).setMacTable([STRANGER], []);
    bench.nic.destroyFunction(FIRST);
    expect(bench.nic.pasid(FIRST)).toBe(null);

    bench.nic.createFunction(FIRST, 7);

    expect(bench.nic.pasid(FIRST)).toBe(7);
    expect(bench.nic.read(FIRST, 2, 0x14, 1)).toBe(0);
    expect(bench.nic.configRead(FIRST, 0x4a, 2) & 0x8000).toBe(0);
    const faults = bench.nic.counters()['dma_faults']!;
    bench.arrive(frame(STRANGER, macOf(0)));
    expect(bench.nic.counters()['dma_faults']).toBe(faults);
    expect(bench.nic.counters()['wire_rx_no_match']).toBe(1);
  });

  it('reaches only its own address space', () => {
    const bench = card({ mode });
    bench.nic.createFunction(FIRST, PASID);
    const port = new Port(bench, FIRST, FEATURES);
    const own = port.fn.ioas.id;
    bench.nic.attachIoas(FIRST, null);

    port.send(frame(STRANGER, port.mac));

    expect(port.fn.needsReset).toBe(true);
    expect(bench.nic.counters()['dma_faults']).toBeGreaterThan(0);
    bench.nic.attachIoas(FIRST, own);
    bench.nic.destroyFunction(FIRST);
    expect(bench.wire).toEqual([]);
  });
});

describe('what the host may ask for', () => {
  it.each([
    [0, 1, 'EINVAL'],
    [1, 1, 'EINVAL'],
    [FIRST, 1 << 20, 'EINVAL'],
    [FIRST, -1, 'EINVAL'],
    [FIRST + 2, 1, 'FUNCTION'],
  ])('createFunction(%i, %i) is %s', (fn, pasid, code) => {
    const { nic } = card();
    const before = nic.digest();

    expect(() => nic.createFunction(fn, pasid)).toThrow(expect.objectContaining({ code }));
    expect(nic.digest()).toBe(before);
  });

  it('one PASID is one function', () => {
    const { nic } = card();
    nic.createFunction(FIRST, 9);

    expect(() => nic.createFunction(FIRST, 8)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(() => nic.createFunction(FIRST + 1, 9)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    nic.destroyFunction(FIRST);
    nic.createFunction(FIRST + 1, 9);
    expect(() => nic.destroyFunction(FIRST)).toThrow(expect.objectContaining({ code: 'ENODEV' }));
    expect(() => nic.destroyFunction(1)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  it('1,100 functions are possible, no more', () => {
    expect(card({ numVfs: 0, totalVfs: 75, onDemandFunctions: 1024, windowBytes: 4096 }).nic.functions()).toBe(1100);
    expect(() => card({ numVfs: 0, totalVfs: 76, onDemandFunctions: 1024 })).toThrow(/onDemandFunctions.*1101/);
  });
});

describe('on the link', () => {
  /** Requests of the function as packets, and the bytes that each took. */
  function requests(pasid: number | null) {
    const bench = card({ traceBytes: 1 << 20 });
    bench.nic.createFunction(FIRST, pasid);
    const port = new Port(bench, FIRST, FEATURES);
    bench.nic.startTrace(1);
    port.send(frame(STRANGER, port.mac));
    const encoder = new TlpEncoder({
      clockPs: 4000,
      functions: bench.nic.functions(),
      adminQueue: -1,
      routingId: (fn) => bench.nic.routingId(fn),
    });
    const sent: { bytes: Uint8Array; link: number; isMessage: boolean }[] = [];
    for (const record of traceRecords([bench.nic.takeTrace()])) {
      const { bytes } = encoder.encode(record);
      if ((record.sub & 0x10) === 0) sent.push({ bytes, link: record.e, isMessage: record.c >>> 12 === 0xfee00 });
    }
    return sent;
  }

  it('memory requests carry the PASID in a prefix of one doubleword, messages do not', () => {
    const plain = requests(null);
    const tagged = requests(PASID);

    expect(tagged).toHaveLength(plain.length);
    let prefixed = 0;
    for (const [i, { bytes, link, isMessage }] of tagged.entries()) {
      const { bytes: plainBytes, link: plainLink } = plain[i]!;
      const isMemory = (plainBytes[0]! & 0x1f) === 0 && !isMessage;
      expect(link - plainLink).toBe(isMemory ? 4 : 0);
      if (!isMemory) continue;
      prefixed++;
      expect([...bytes.subarray(0, 4)]).toEqual([0x91, 0x05, 0x43, 0x21]);
      expect(bytes.subarray(4)).toEqual(plainBytes);
    }
    expect(prefixed).toBeGreaterThan(4);
  });
});
