// SPDX-License-Identifier: Apache-2.0
// --wire peer: and dgram: with another end that goes, comes back, is slow or sends nonsense.
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { loadLibc } from '../../../src/native/libc.ts';
import { Poller } from '../../../src/native/poller.ts';
import { connectUnix, UnixListener, type UnixSocket } from '../../../src/native/unix_socket.ts';
import { DgramPort } from '../../../src/wire/dgram_port.ts';
import { CardBench } from './support/card_bench.ts';
import { frame, startStation, type Station } from './support/driver_bench.ts';
import { until } from './support/outside.ts';

const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);

let bench: CardBench;
afterEach(() => bench.close());

const station = (): Station => startStation(bench.libc, bench.device('vf1'));
const peer = () => bench.card.attachments[0]!;

function send(from: Station, bytes = 100): void {
  from.driver.send(frame(ELSEWHERE, from.driver.mac, bytes));
  from.settle();
}

/** A frame for a station behind its length, most significant byte first. */
function framed(to: Station): Uint8Array {
  const bytes = frame(to.driver.mac, ELSEWHERE, 100);
  return Uint8Array.of(0, 0, 0, bytes.length, ...bytes);
}

function write(socket: UnixSocket, bytes: Uint8Array): void {
  const data = bench.libc.bytes(bytes.length);
  data.u8.set(bytes);
  socket.send(data, 0, bytes.length);
}

function read(socket: UnixSocket): number {
  const data = bench.libc.bytes(1 << 20);
  let sum = 0;
  for (;;) {
    const count = socket.receive(data, 0, data.u8.length);
    if (count <= 0) return sum;
    sum += count;
    bench.pump();
  }
}

/** A card that connects to a listener which is there. */
async function connecting(): Promise<{ path: string; listener: UnixListener; socket: UnixSocket }> {
  const folder = CardBench.newFolder();
  const path = join(folder, 'wire.sock');
  const listener = new UnixListener(await loadLibc(), path);
  bench = await CardBench.start({ wire: 'peer:$/wire.sock' }, folder);
  return { path, listener, socket: listener.accept()! };
}

describe('a peer that listens', () => {
  it('and starts again is connected to again', async () => {
    const { path, listener, socket } = await connecting();
    const a = station();
    socket.close();
    listener.close();
    until(bench, () => peer().state === 'away');
    send(a);

    const next = new UnixListener(bench.libc, path);
    let again: UnixSocket | null = null;
    until(bench, () => (again ??= next.accept()) !== null);
    write(again!, framed(a));
    until(bench, () => (a.settle(), a.received.length === 1));
    send(a);

    expect(read(again!)).toBe(4 + 100);
    expect(peer()).toMatchObject({ state: 'up', losses: 1, returns: 1, dropped: 1 });
    expect(bench.card.wire).toMatchObject({ sent: 1, received: 1, dropped: 1 });
    expect(bench.lines).toEqual([
      `peer:${path}: the peer is gone; connected to again as soon as somebody listens`,
      `peer:${path}: connected`,
    ]);
    again!.close();
    next.close();
  });

  it('and does not read loses what its socket and 256 KiB do not hold; the rest arrives when it reads', async () => {
    const { listener, socket } = await connecting();
    const a = station();
    for (let i = 0; i < 600; i++) send(a, 1500);
    const { sent, dropped } = bench.card.wire!;

    expect(dropped).toBeGreaterThan(0);
    expect(sent + dropped).toBe(600);
    expect(peer()).toMatchObject({ state: 'up', losses: 0, dropped });
    expect(read(socket)).toBe(sent * (4 + 1500));
    socket.close();
    listener.close();
  });

  it('and always sends nonsense costs a connection now and then, and no more', async () => {
    const { path, listener, socket } = await connecting();
    write(socket, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    until(bench, () => peer().state === 'away');
    let again: UnixSocket | null = null;
    until(bench, () => (again ??= listener.accept()) !== null);
    write(again!, Uint8Array.of(0, 1, 0, 1)); // 65,537
    until(bench, () => peer().losses === 2);

    expect(bench.lines[0]).toBe(
      `peer:${path}: the peer sent 4294967295 as the length of a frame, 65536 is the most; disconnected; ` +
        'connected to again as soon as somebody listens',
    );
    expect(bench.lines[2]).toContain('sent 65537 as the length');
    socket.close();
    again!.close();
    listener.close();
  });
});

describe('a peer that connects', () => {
  it('may go, and the next one comes', async () => {
    bench = await CardBench.start({ wire: 'peer:$/wire.sock' });
    const path = join(bench.folder, 'wire.sock');
    const a = station();
    expect(peer()).toMatchObject({ state: 'away', reason: 'nobody has connected yet', losses: 0 });
    for (let i = 1; i <= 2; i++) {
      const socket = connectUnix(bench.libc, path)!;
      bench.pump();
      write(socket, framed(a));
      bench.pump();
      socket.close();
      bench.pump();
      a.settle();
      expect(a.received).toHaveLength(i);
    }

    expect(peer()).toMatchObject({ state: 'away', losses: 2, returns: 2 });
    expect(bench.lines).toEqual(
      [0, 1].flatMap(() => [`peer:${path}: connected`, `peer:${path}: the peer is gone; the next one is waited for`]),
    );
  });

  it('finds the socket again that was taken away', async () => {
    bench = await CardBench.start({ wire: 'peer:$/wire.sock' });
    const path = join(bench.folder, 'wire.sock');
    rmSync(path);
    until(bench, () => bench.lines.length === 2);

    const socket = connectUnix(bench.libc, path)!;
    until(bench, () => peer().state === 'up');

    expect(bench.lines.slice(0, 2)).toEqual([
      `${path}: the socket was taken away; clients stay, nobody new can connect`,
      `${path}: the socket is there again`,
    ]);
    socket.close();
  });
});

describe('dgram', () => {
  /** The other end; it leaves no line anywhere. */
  const far = (): DgramPort => {
    const [a, b] = ['a.sock', 'b.sock'].map((name) => join(bench.folder, name));
    const port = new DgramPort(bench.libc, new Poller(bench.libc), b!, a!, () => {}); // nobody polls there
    port.open(() => {});
    return port;
  };

  it('a peer that starts again is heard and hears at once', async () => {
    bench = await CardBench.start({ wire: 'dgram:$/a.sock,$/b.sock' });
    const a = station();
    const remote = bench.card.attachments[1]!;
    send(a);
    expect(remote).toMatchObject({ state: 'away', losses: 1, dropped: 1 });

    far().close();
    const second = far();
    expect(second.send(frame(a.driver.mac, ELSEWHERE))).toBe(true); // before the card has sent anything to it
    bench.pump();
    a.settle();
    send(a);

    expect(a.received).toHaveLength(1);
    expect(second.next()).toHaveLength(100);
    expect(remote).toMatchObject({ state: 'up', returns: 1 });
    expect(bench.lines).toEqual([
      `dgram:${bench.folder}/b.sock: nobody receives there; frames are lost until somebody does`,
      `dgram:${bench.folder}/b.sock: frames are received again`,
    ]);
    second.close();
  });

  it('a peer that does not read loses frames, and is not gone', async () => {
    bench = await CardBench.start({ wire: 'dgram:$/a.sock,$/b.sock' });
    const other = far();
    const a = station();
    for (let i = 0; i < 600; i++) send(a, 1500);
    const { sent, dropped } = bench.card.wire!;
    let taken = 0;
    while (other.next() !== null) taken++;

    expect(dropped).toBeGreaterThan(0);
    expect(taken).toBe(sent);
    expect(bench.lines).toEqual([]);
    other.close();
  });

  it('its socket that is taken away is there again', async () => {
    bench = await CardBench.start({ wire: 'dgram:$/a.sock,$/b.sock' });
    const a = station();
    rmSync(join(bench.folder, 'a.sock'));
    until(bench, () => bench.lines.length === 2);
    const other = far();
    expect(other.send(frame(a.driver.mac, ELSEWHERE))).toBe(true);
    bench.pump();
    a.settle();

    expect(a.received).toHaveLength(1);
    expect(bench.card.attachments[0]).toMatchObject({ state: 'up', losses: 1, returns: 1 });
    other.close();
  });
});
