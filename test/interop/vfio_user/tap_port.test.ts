// SPDX-License-Identifier: Apache-2.0
// --wire tap: an interface that is deleted, goes down, or comes from a program that left its own settings on it.
import { closeSync, constants, openSync } from 'node:fs';

import { afterEach, describe, expect, it } from 'vitest';

import { loadLibc } from '../../../src/native/libc.ts';
import { CardBench } from './support/card_bench.ts';
import { frame, startStation, type Station } from './support/driver_bench.ts';
import { noTaps, run, tryRun, until } from './support/outside.ts';

const ELSEWHERE = Uint8Array.of(2, 0, 0, 0, 0, 0x99);
/** Of linux/if_tun.h. */
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETTXFILTER = 0x400454d1;
const [IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR] = [0x2, 0x100, 0x1000, 0x4000];
/** TUN_F_CSUM, TSO4, TSO6; the argument is the number itself. */
const OFFLOADS = 7n;

const TAP = `vfnt${process.pid}`.slice(0, 15);
let bench: CardBench | null = null;
afterEach(() => {
  bench?.close();
  bench = null;
  tryRun('ip', 'link', 'del', TAP);
});

const tap = () => bench!.card.attachments[0]!;
const ip = (...args: readonly string[]): void => run('ip', ...args);

async function served(): Promise<Station> {
  bench = await CardBench.start({ wire: `tap:${TAP}` });
  return startStation(bench.libc, bench.device('vf1'));
}

function send(from: Station): void {
  from.driver.send(frame(ELSEWHERE, from.driver.mac, 100));
  from.settle();
}

/** The interface as a program leaves it that had it before. */
async function leftBy(flags: number, ...requests: readonly (readonly [number, Uint8Array | bigint])[]): Promise<void> {
  const libc = await loadLibc();
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const request = new Uint8Array(40);
  request.set(Buffer.from(TAP));
  new DataView(request.buffer).setUint16(16, IFF_TAP | flags, true);
  expect(libc.ioctl(fd, TUNSETIFF, request)).toBe(0);
  for (const [number, argument] of requests) expect(libc.ioctl(fd, number, argument)).toBeGreaterThanOrEqual(0);
  closeSync(fd);
}

describe.skipIf(noTaps())('an interface', () => {
  it('that is down loses frames until it is up', async () => {
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    const a = await served();
    send(a);
    expect(tap()).toMatchObject({ state: 'away', losses: 1 });
    expect(bench!.card.wire).toMatchObject({ sent: 0, dropped: 1 });

    ip('link', 'set', TAP, 'up');
    until(bench!, () => tap().state === 'up');
    send(a);
    expect(bench!.card.wire).toMatchObject({ sent: 1, dropped: 1 });

    ip('link', 'set', TAP, 'down');
    until(bench!, () => tap().state === 'away');
    const down = `tap:${TAP}: the interface is down and frames are lost; bring it up with: ip link set ${TAP} up`;
    expect(bench!.lines).toEqual([down, `tap:${TAP}: the interface is up`, down]);
  });

  it('that is deleted is not made again, and attached to when it is back', async () => {
    const a = await served();
    ip('link', 'set', TAP, 'up');
    until(bench!, () => tap().state === 'up');
    ip('link', 'del', TAP);
    until(bench!, () => tap().reason.startsWith('the interface is gone'));
    const polls = Array.from({ length: 20 }, () => bench!.card.poller.poll(0));
    send(a);
    bench!.pump();

    expect(polls.slice(1)).toEqual(Array.from({ length: 19 }, () => 0)); // nothing is ready: nobody spins
    expect(tryRun('ip', 'link', 'show', TAP)).toBe(false);
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    ip('link', 'set', TAP, 'up');
    until(bench!, () => tap().state === 'up');
    send(a);
    expect(bench!.card.wire!.sent).toBe(1);
    expect(bench!.lines).toContain(
      `tap:${TAP}: the interface is gone; attached to again as soon as there is one of that name`,
    );
  });

  it('that goes on under another name stays attached', async () => {
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    ip('link', 'set', TAP, 'up');
    const a = await served();
    const other = `x${TAP}`.slice(0, 15);
    ip('link', 'set', TAP, 'name', other);
    for (let i = 0; i < 3; i++) bench!.card.work();
    send(a);

    expect(bench!.card.wire!.sent).toBe(1);
    expect(tap().losses).toBe(0);
    ip('link', 'del', other);
  });

  it.each([
    ['another program has', ['mode', 'tap'], true, 'another program is attached to the interface'],
    ['is a TUN', ['mode', 'tun'], false, 'the interface is no TAP'],
  ])('that %s is refused with the reason', async (_what, mode, isTaken, reason) => {
    ip('tuntap', 'add', 'dev', TAP, ...mode);
    if (isTaken) await served();

    await expect(CardBench.start({ wire: `tap:${TAP}` })).rejects.toThrow(`tap:${TAP}: ${reason}`);
  });
});

describe.skipIf(noTaps())('a persistent interface', () => {
  /** What the card receives of a datagram that the kernel sends to 10.213.7.2. */
  async function datagramAfter(): Promise<Uint8Array[]> {
    const a = await served();
    ip('link', 'set', TAP, 'up');
    until(bench!, () => tap().state === 'up');
    const mac = [...a.driver.mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
    ip('addr', 'add', '10.213.7.1/24', 'dev', TAP);
    ip('neigh', 'add', '10.213.7.2', 'lladdr', mac, 'dev', TAP);
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.send('virtfn', 4789, '10.213.7.2', () => resolve()));
    socket.close();
    for (let i = 0; i < 3; i++) {
      bench!.pump();
      a.settle();
    }
    return a.received.filter((one) => one[12] === 8 && one[13] === 0 && one[23] === 17);
  }

  /** RFC 1071 over pseudo header, header and data of a UDP datagram: FFFF where its checksum is right. */
  function sumOf(packet: Uint8Array): number {
    const view = new DataView(packet.buffer, packet.byteOffset);
    const length = view.getUint16(38);
    let sum = 17 + length;
    for (let at = 26; at < 34 + length; at += 2) sum += view.getUint16(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  }

  it('that was left with offloads and a header before frames gives finished checksums', async () => {
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    await leftBy(IFF_NO_PI | IFF_VNET_HDR, [TUNSETOFFLOAD, OFFLOADS]);

    const [packet, ...more] = await datagramAfter();

    expect(more).toEqual([]);
    expect(sumOf(packet!)).toBe(0xffff);
  });

  it('that was left with a filter of addresses gives every frame', async () => {
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap');
    // struct tun_filter: flags 0, count 1, an address that nobody has
    await leftBy(IFF_NO_PI, [TUNSETTXFILTER, Uint8Array.of(0, 0, 1, 0, 2, 0, 0, 0, 0, 0x55)]);

    expect(await datagramAfter()).toHaveLength(1);
  });

  it('that was made with several queues is attached to', async () => {
    ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap', 'multi_queue');
    await leftBy(IFF_NO_PI | IFF_MULTI_QUEUE);

    expect(await datagramAfter()).toHaveLength(1);
  });
});
