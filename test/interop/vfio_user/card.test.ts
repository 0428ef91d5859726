// SPDX-License-Identifier: Apache-2.0
// Cards as `virtfn serve` makes them: the PF with INTx, the hardware's own view, and what the wire may lead to.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import type { Clock } from '../../../src/guest/platform.ts';
import { PfDriver } from '../../../src/guest/pf_driver.ts';
import { connectUnix, UnixListener, type UnixSocket } from '../../../src/native/unix_socket.ts';
import type { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { ClientMemory } from '../../../src/vfio_user/client_memory.ts';
import { openCapture } from '../../../src/wire/capture.ts';
import { encodePcap } from '../../../src/wire/pcap.ts';
import { DgramPort } from '../../../src/wire/dgram_port.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { CardBench } from './support/card_bench.ts';
import { frame, startStation, type Station } from './support/driver_bench.ts';
import { COMMAND, versionPayload } from './support/raw_client.ts';

const CONFIG = 7;
const INTX = 0;
const MSIX = 2;
const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);

let bench: CardBench;
afterEach(() => bench.close());

const station = (name: string): Station => startStation(bench.libc, bench.device(name));

describe('the PF', () => {
  /** A driver that has lost MSI-X, and an interrupt that is raised. */
  async function withIntx() {
    bench = await CardBench.start({ pf: true });
    const pf = station('pf');
    const raised: number[] = [];
    pf.client.disableIrqs(MSIX);
    pf.client.setIrqs(INTX, 0, [(vector) => raised.push(vector)]);
    const peer = station('vf1');
    const send = (): void => {
      peer.driver.send(frame(pf.driver.mac, peer.driver.mac));
      peer.settle();
      pf.client.takeIrqs();
    };
    return { pf, raised, send };
  }
  const UNMASK = 16;

  it('signals INTx once, and again after it is unmasked while the line is up', async () => {
    const { pf, raised, send } = await withIntx();

    send();
    send();
    expect(raised).toHaveLength(1);

    pf.client.actOnIrqs(INTX, UNMASK, 0, 1);
    pf.client.takeIrqs();
    expect(raised).toHaveLength(2);
  });

  it('does not signal INTx that went down before it was unmasked', async () => {
    const { pf, raised, send } = await withIntx();
    send();

    const { region, offset } = isrOf(pf);
    expect(pf.client.read(region, offset, 1)).toBe(1);
    pf.client.actOnIrqs(INTX, UNMASK, 0, 1);
    pf.client.takeIrqs();

    expect(raised).toHaveLength(1);
  });

  it('shows SR-IOV, read-only as vfio-pci does, and has its VFs back after a reset', async () => {
    bench = await CardBench.start({ pf: true, vfs: 2 });
    const pf = bench.device('pf');
    const capabilities = extendedCapabilities(pf);

    pf.write(CONFIG, 0x148, 2, 0); // VF Enable
    pf.reset();

    expect(capabilities).toContain(0x10);
    expect(pf.read(CONFIG, 0x148, 2)).toBe(0x0009);
    expect([1, 2].map((fn) => bench.card.nic.isPresent(fn))).toEqual([true, true]);
  });

  it('has INTx or MSI-X, not both, and nothing to mask where neither is set up', async () => {
    bench = await CardBench.start({ pf: true });
    const pf = bench.device('pf');
    const handler = (): void => {};
    const einval = expect.objectContaining({ code: 'EINVAL' }) as Error;

    expect(() => pf.actOnIrqs(INTX, 8, 0, 1)).toThrow(einval);
    expect(() => pf.actOnIrqs(INTX, 16, 0, 1)).toThrow(einval);
    pf.setIrqs(MSIX, 0, [handler]);
    expect(() => pf.setIrqs(INTX, 0, [handler])).toThrow(einval);
    pf.disableIrqs(MSIX);
    pf.setIrqs(INTX, 0, [handler]);
    expect(() => pf.setIrqs(MSIX, 0, [handler])).toThrow(einval);
  });

  it('does not signal INTx that is unmasked under INTx Disable, and does when the bit goes', async () => {
    const { pf, raised, send } = await withIntx();
    send();
    expect(raised).toHaveLength(1);

    const command = pf.client.read(CONFIG, 4, 2);
    pf.client.write(CONFIG, 4, 2, command | 0x0400);
    pf.client.actOnIrqs(INTX, UNMASK, 0, 1);
    pf.client.takeIrqs();
    expect(raised).toHaveLength(1);

    pf.client.write(CONFIG, 4, 2, command);
    pf.client.takeIrqs();
    expect(raised).toHaveLength(2);
  });
});

/** Where the ISR status is, by the capability list (virtio 1.4 §4.1.4): type 3. */
function isrOf({ client }: Station): { region: number; offset: number } {
  for (let at = client.read(CONFIG, 0x34, 1); at !== 0; at = client.read(CONFIG, at + 1, 1)) {
    if (client.read(CONFIG, at, 1) !== 9 || client.read(CONFIG, at + 3, 1) !== 3) continue;
    return { region: client.read(CONFIG, at + 4, 1), offset: client.read(CONFIG, at + 8, 4) };
  }
  throw new Error('no ISR capability');
}

function extendedCapabilities(client: { read(region: number, offset: number, size: 4): number }): number[] {
  const ids: number[] = [];
  for (let at = 0x100; at !== 0;) {
    const header = client.read(CONFIG, at, 4);
    ids.push(header & 0xffff);
    at = header >>> 20;
  }
  return ids;
}

describe('the hardware as it is', () => {
  it('shows the PF with SR-IOV, and no VF until VF Enable is written', async () => {
    bench = await CardBench.start({ raw: true, vfs: 2, firstVfOffset: 5, vfStride: 3 });
    const pf = bench.device('pf');
    const ids = extendedCapabilities(pf);
    expect(ids).toContain(0x10);
    expect(bench.raw('vf1').request(COMMAND.VERSION, versionPayload(null)).error).toBe(19); // ENODEV

    let at = 0x100;
    while ((pf.read(CONFIG, at, 4) & 0xffff) !== 0x10) at = pf.read(CONFIG, at, 4) >>> 20;
    expect([pf.read(CONFIG, at + 0x14, 2), pf.read(CONFIG, at + 0x16, 2)]).toEqual([5, 3]);
    pf.write(CONFIG, at + 0x10, 2, 2);
    pf.write(CONFIG, at + 8, 2, 9); // VF Enable, VF Memory Space Enable

    const vf = bench.device('vf2');
    expect(vf.read(CONFIG, 0, 4)).toBe(0xffffffff);
    expect(vf.read(CONFIG, 0x10, 4)).toBe(0);
  });
});

/** SR-IOV, MSI-X table and registers of a PF in the hands of somebody who enumerates by himself. */
describe('the hardware as it is, to who enumerates by himself', () => {
  const startBare = async () => {
    bench = await CardBench.start({ raw: true, vfs: 2 });
    return bench.device('pf');
  };
  const image = (pf: VfioUserClient): number[] => Array.from({ length: 1024 }, (_, i) => pf.read(CONFIG, 4 * i, 4));

  it('is as after power-on: nothing is decoded, no BAR has an address', async () => {
    const pf = await startBare();

    expect(pf.read(CONFIG, 4, 2)).toBe(0);
    expect([0, 1, 2, 3, 4, 5].map((i) => pf.read(CONFIG, 0x10 + 4 * i, 4))).toEqual([0, 0, 4, 0, 4, 0]);
    expect([0, 1, 2, 3, 4, 5].map((i) => pf.read(CONFIG, 0x164 + 4 * i, 4))).toEqual([0, 0, 4, 0, 4, 0]);
    expect(pf.read(2, 0x12, 2)).toBe(0xffff); // num_queues, where memory decode is off
  });

  it('is so for the next client, and loses what a reset takes', async () => {
    const pf = await startBare();
    const first = image(pf);
    const program = (to: VfioUserClient): void => {
      to.write(CONFIG, 0x18, 4, 0xe0000000);
      to.write(CONFIG, 0x3c, 1, 11);
      to.write(CONFIG, 0x5c, 2, 0x5020);
      to.write(CONFIG, 0x148, 2, 0x10); // ARI Capable Hierarchy, which a reset leaves alone
      to.write(CONFIG, 4, 2, 6);
    };

    program(pf);
    pf.reset();
    expect([pf.read(CONFIG, 4, 2), pf.read(CONFIG, 0x18, 4)]).toEqual([0, 4]);
    program(pf);
    pf.close();
    bench.pump();

    expect(image(bench.device('pf'))).toEqual(first);
  });

  it("has an MSI-X table that is its client's: SET_IRQS tells where messages go and writes nothing", async () => {
    const pf = await startBare();
    pf.write(CONFIG, 4, 2, 6);
    const entry = [0xfee00000, 0, 0x4041, 0];
    entry.forEach((word, i) => pf.write(4, 16 + 4 * i, 4, word));

    pf.setIrqs(MSIX, 0, [() => {}, () => {}]);
    pf.disableIrqs(MSIX);

    expect([0, 1, 2, 3].map((i) => pf.read(4, 16 + 4 * i, 4))).toEqual(entry);
    expect(pf.read(4, 12, 4)).toBe(1); // vector 0 is masked, as after the reset
    expect(pf.read(CONFIG, 0x4a, 2) & 0x8000).toBe(0); // MSI-X Enable
  });

  it('reports the administration commands of its client', async () => {
    const pf = await startBare();
    const { AdminTally } = await import('../../../src/cli/serve/report.ts');
    const tally = new AdminTally(bench.card.nic);
    pf.write(CONFIG, 4, 2, 6);
    const memory = new ClientMemory(bench.libc, 2 << 20, 0x1_0000_0000, 'sealed');
    pf.map(memory);
    const clock: Clock = { now: () => 0, waitForEvent: () => pf.takeIrqs(), advance: () => pf.takeIrqs() };

    const setIrqs = pf.setIrqs.bind(pf);
    pf.setIrqs = (index, start, handlers) => {
      handlers.forEach((_, i) => [0xfee00000, 0, i, 0].forEach((word, j) => pf.write(4, 16 * i + 4 * j, 4, word)));
      setIrqs(index, start, handlers);
      pf.write(CONFIG, 0x4a, 2, 0x8000);
    };
    new PfDriver(pf, memory, clock).start();

    // LIST_QUERY of virtio 1.4 §2.13.1 comes first
    expect(tally.rows().find(({ opcode }) => opcode === 0)?.commands).toBeGreaterThan(0);
  });
});

describe('the wire', () => {
  const outgoing = (from: Station): Uint8Array => frame(ELSEWHERE, from.driver.mac, 100);
  const incoming = (to: Station, bytes = 100): Uint8Array => frame(to.driver.mac, ELSEWHERE, bytes);

  it('none: frames that leave are counted', async () => {
    bench = await CardBench.start({});
    const a = station('vf1');

    a.driver.send(outgoing(a));
    a.settle();

    expect(bench.card.nic.counters()['wire_tx_frames']).toBe(1);
  });

  it('loopback: a frame to nobody here comes back to who listens to everything', async () => {
    bench = await CardBench.start({ wire: 'loopback' });
    const a = station('vf1');

    a.driver.send(frame(Uint8Array.of(255, 255, 255, 255, 255, 255), ELSEWHERE, 100));
    a.settle();

    expect(a.received).toHaveLength(1);
    expect(bench.card.wire).toMatchObject({ sent: 1, received: 1, dropped: 0 });
  });

  it('pcap: frames that leave are in the file, frames of the other file come in after the first', async () => {
    const folder = CardBench.newFolder();
    const to = Uint8Array.of(2, 0x76, 0x66, 0, 0, 1);
    const played = [60, 61, 62].map((bytes, i) => ({
      seconds: 7,
      nanoseconds: i * 1000,
      bytes: frame(to, ELSEWHERE, bytes),
    }));
    writeFileSync(join(folder, 'in.pcap'), encodePcap(played));
    bench = await CardBench.start({ wire: 'pcap:$/out.pcap,$/in.pcap' }, folder);
    const a = station('vf1');
    bench.pump();
    expect(a.received).toEqual([]);

    a.driver.send(outgoing(a));
    const end = performance.now() + PATIENCE_MS;
    while (a.received.length < 3 && performance.now() < end) a.settle();

    expect(a.received).toEqual(played.map(({ bytes }) => bytes));
    const file = [...openCapture(readFileSync(join(folder, 'out.pcap')), 'out').frames()].map(({ bytes }) => bytes);
    expect(file.map((bytes) => bytes.length)).toEqual([100, 60, 61, 62]);
  });

  /** A frame behind its length, most significant byte first. */
  const framed = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.of(0, 0, bytes.length >> 8, bytes.length & 0xff, ...bytes);

  function write(socket: UnixSocket, bytes: Uint8Array): void {
    const data = bench.libc.bytes(bytes.length);
    data.u8.set(bytes);
    socket.send(data, 0, bytes.length);
  }

  function read(socket: UnixSocket): Uint8Array {
    const data = bench.libc.bytes(4096);
    return data.u8.slice(0, Math.max(0, socket.receive(data, 0, 4096)));
  }

  it.each(['that comes', 'that is there already'])(
    'peer: a program %s gets and sends frames behind their length',
    async (how) => {
      const folder = CardBench.newFolder();
      const path = join(folder, 'wire.sock');
      let listener: UnixListener | null = null;
      if (how !== 'that comes') {
        const { loadLibc } = await import('../../../src/native/libc.ts');
        listener = new UnixListener(await loadLibc(), path);
      }
      bench = await CardBench.start({ wire: 'peer:$/wire.sock' }, folder);
      const peer = listener === null ? connectUnix(bench.libc, path)! : listener.accept()!;
      bench.pump();
      const a = station('vf1');

      a.driver.send(outgoing(a));
      a.settle();
      const bytes = framed(incoming(a));
      write(peer, bytes.subarray(0, 3));
      bench.pump();
      write(peer, Uint8Array.from([...bytes.subarray(3), ...framed(incoming(a, 80))]));
      bench.pump();
      a.settle();

      expect(read(peer)).toEqual(framed(outgoing(a)));
      expect(a.received.map((one) => one.length)).toEqual([100, 80]);
      peer.close();
      listener?.close();
    },
  );

  it('peer: one that sends nonsense is dropped, the next one is heard', async () => {
    bench = await CardBench.start({ wire: 'peer:$/wire.sock' });
    const path = join(bench.folder, 'wire.sock');
    const a = station('vf1');
    const bad = connectUnix(bench.libc, path)!;
    bench.pump();
    write(bad, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
    bench.pump();
    const good = connectUnix(bench.libc, path)!;
    bench.pump();
    write(good, framed(incoming(a)));
    bench.pump();
    a.settle();

    expect(a.received).toHaveLength(1);
    bad.close();
    good.close();
  });

  it('dgram: each frame is a datagram', async () => {
    bench = await CardBench.start({ wire: 'dgram:$/a.sock,$/b.sock' });
    const far = new DgramPort(
      bench.libc,
      bench.card.poller,
      join(bench.folder, 'b.sock'),
      join(bench.folder, 'a.sock'),
      () => {},
    );
    const got: Uint8Array[] = [];
    far.open(() => {
      for (let one = far.next(); one !== null; one = far.next()) got.push(one.slice());
    });
    const a = station('vf1');

    a.driver.send(outgoing(a));
    a.settle();
    bench.pump();
    far.send(incoming(a));
    bench.pump();
    a.settle();

    expect(got).toEqual([outgoing(a)]);
    expect(a.received).toEqual([incoming(a)]);
    far.close();
  });
});

describe('a timed card', () => {
  it('follows the clock on the wall', async () => {
    bench = await CardBench.start({ mode: 'timed', wire: 'none' });
    const { nic } = bench.card;
    const start = performance.now();
    bench.pump();
    const [wall, simulated] = [performance.now(), nic.toPs(nic.now()) / 1e9];
    while (performance.now() < wall + 50);
    bench.pump();

    const passed = nic.toPs(nic.now()) / 1e9 - simulated;
    expect(passed).toBeGreaterThan(49);
    expect(passed).toBeLessThan(performance.now() - start + 1);
  });

  it('carries frames between its functions', async () => {
    bench = await CardBench.start({ mode: 'timed', vfs: 2 });
    const [a, b] = [station('vf1'), station('vf2')];
    a.driver.send(frame(b.driver.mac, a.driver.mac));
    const end = performance.now() + PATIENCE_MS;
    while (b.received.length === 0 && performance.now() < end) b.settle();

    expect(b.received).toEqual([frame(b.driver.mac, a.driver.mac)]);
  });
});
