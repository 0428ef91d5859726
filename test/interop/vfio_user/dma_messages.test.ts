// SPDX-License-Identifier: Apache-2.0
// Memory without a file descriptor: `virtfn serve`, a process of its own, asks for every byte with DMA_READ and brings
// every byte with DMA_WRITE. Rings and registers of the raw client are typed from virtio 1.4 §2.7 and §4.1.4.3.
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { POLLIN, waitFor } from '../../../src/native/wait.ts';
import { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { ServeProcess } from '../../support/serve_process.ts';
import { frame, startStation } from './support/driver_bench.ts';
import { COMMAND, fields, joined, NO_REPLY, RawClient } from './support/raw_client.ts';

const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const SENDER = Uint8Array.of(2, 0, 0, 0, 0, 1);

let libc: Libc;
let program: CliProgram;
let server: ServeProcess;
beforeAll(async () => {
  libc = await loadLibc();
  program = new CliProgram(['koffi']);
});
beforeEach(async () => {
  server = new ServeProcess(program.start('serve', '--vfs', '2', '--transitional', 'vf2', '--wire', 'loopback'));
  await server.untilReady();
});
afterEach(() => server.end('SIGTERM'));
afterAll(() => program.remove());

const socket = (vf: number): string => join(program.folder, `vf${vf}.sock`);

function rawClient(vf = 1): RawClient {
  const client = new RawClient(libc, socket(vf), (fd) => void waitFor(libc, fd, POLLIN, 50));
  expect(client.greet().error).toBe(0);
  return client;
}

function until(isDone: () => boolean, work: () => void): void {
  for (const late = performance.now() + PATIENCE_MS; !isDone();) {
    if (performance.now() > late) throw new Error('it does not come');
    work();
  }
}

describe('a driver', () => {
  it.each([
    ['modern', 1],
    ['legacy', 2],
  ] as const)('of the %s interface carries frames, in order and unaltered', (kind, vf) => {
    const client = new VfioUserClient(libc, socket(vf));
    const { driver, received, settle } = startStation(libc, client, kind, 'none');
    const sent = Array.from({ length: 40 }, (_, i) => frame(BROADCAST, driver.mac, 60 + 37 * i));
    sent.forEach((one, i) => {
      driver.send(one);
      until(() => received.length > i, settle);
    });

    expect(received).toEqual(sent);
    client.close();
  });
});

describe('a ring', () => {
  const BASE = 0x1_2345_0000; // needs all of a 64-bit address
  const MEMORY_BYTES = 0x10000;
  const [RX_DESC, RX_AVAIL, RX_USED, TX_DESC, TX_AVAIL, TX_USED] = [0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000];
  const [RX_BUFFER, TX_BUFFER] = [0x6000, 0x8000];
  const HEADER = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

  let client: RawClient;
  let bytes: Uint8Array;

  const write = (region: number, offset: number, count: number, value: number, flags = 0): number =>
    client.send(COMMAND.REGION_WRITE, fields([8, offset], [4, region], [4, count], [count, value]), flags);
  const register = (offset: number, count: number, value: number): void =>
    void write(2, offset, count, value, NO_REPLY);
  const read = (offset: number, count = 2): number => {
    const { payload } = client.request(COMMAND.REGION_READ, fields([8, offset], [4, 2], [4, count]));
    return count === 1 ? payload.getUint8(16) : payload.getUint16(16, true);
  };
  const put = (at: number, ...list: [number, number][]): void => bytes.set(fields(...list), at);
  const u16 = (at: number): number => bytes[at]! + bytes[at + 1]! * 256;

  /** A queue of 8; what its doorbell is, behind the notification structure's 0x3000. */
  function setUp(queue: number, desc: number, avail: number, used: number): number {
    register(0x16, 2, queue);
    register(0x18, 2, 8);
    for (const [at, offset] of [
      [0x20, desc],
      [0x28, avail],
      [0x30, used],
    ] as const) {
      register(at, 4, 0x23450000 + offset);
      register(at + 4, 4, 1);
    }
    register(0x1c, 2, 1);
    return 0x3000 + 4 * read(0x1e);
  }
  const ring = (doorbell: number, queue: number): void => register(doorbell, 2, queue);

  /** A live driver with both queues; the doorbells. */
  function start(): { rx: number; tx: number } {
    bytes = new Uint8Array(MEMORY_BYTES);
    client = rawClient();
    client.memory = { base: BASE, bytes };
    const map = fields([4, 32], [4, 3], [8, 0], [8, BASE], [8, MEMORY_BYTES]);
    expect(client.request(COMMAND.DMA_MAP, map).error).toBe(0);
    write(7, 4, 2, 0x0006, NO_REPLY); // memory space, bus master
    for (const status of [1, 3]) register(0x14, 1, status);
    register(0x08, 4, 1);
    register(0x0c, 4, 1); // VIRTIO_F_VERSION_1
    register(0x14, 1, 0xb);
    const rx = setUp(0, RX_DESC, RX_AVAIL, RX_USED);
    const tx = setUp(1, TX_DESC, TX_AVAIL, TX_USED);
    register(0x14, 1, 0xf);
    put(RX_DESC, [8, BASE + RX_BUFFER], [4, 2048], [2, 2], [2, 0]); // VIRTQ_DESC_F_WRITE
    put(RX_AVAIL, [2, 0], [2, 1], [2, 0]);
    return { rx, tx };
  }

  function putFrame(address = BASE + TX_BUFFER): Uint8Array {
    const one = frame(BROADCAST, SENDER, 60);
    bytes.set(joined(HEADER, one), TX_BUFFER);
    put(TX_DESC, [8, address], [4, 72], [2, 0], [2, 0]);
    put(TX_AVAIL, [2, 0], [2, 1], [2, 0]);
    return one;
  }
  const work = (): void => void client.receive();

  afterEach(() => client.close());

  it('is read and written piece by piece', () => {
    const { rx, tx } = start();
    const sent = putFrame();
    ring(rx, 0);
    ring(tx, 1);
    until(() => u16(RX_USED + 2) === 1 && u16(TX_USED + 2) === 1, work);

    const header = joined(HEADER.subarray(0, 10), Uint8Array.of(1, 0)); // num_buffers 1
    expect(bytes.slice(RX_BUFFER, RX_BUFFER + 72)).toEqual(joined(header, sent));
    expect(bytes.slice(RX_USED + 4, RX_USED + 12)).toEqual(fields([4, 0], [4, 72]));
    expect(bytes.slice(TX_USED + 4, TX_USED + 8)).toEqual(fields([4, 0]));
    const asked = (command: number): number[][] =>
      client.asked.filter((one) => one.command === command).map(({ address, count }) => [address - BASE, count]);
    expect(asked(COMMAND.DMA_READ)).toContainEqual([TX_BUFFER, 72]);
    // what is used before the index that says so
    expect(asked(COMMAND.DMA_WRITE)).toEqual([
      [TX_USED + 4, 8],
      [TX_USED + 2, 2],
      [RX_BUFFER, 72],
      [RX_USED + 4, 8],
      [RX_USED + 2, 2],
    ]);
  });

  it.each([
    ['that leads out of the mapping', MEMORY_BYTES - 8, MEMORY_BYTES, 8],
    ['whose buffer the client refuses to read', TX_BUFFER, TX_BUFFER, 72],
  ])('%s stops the function until it is reset', (_what, buffer, memoryEnd, count) => {
    const { tx } = start();
    client.memory = { base: BASE, bytes: bytes.subarray(0, memoryEnd) };
    putFrame(BASE + buffer);
    ring(tx, 1);
    const fault = { command: COMMAND.DMA_READ, address: BASE + buffer, count };
    until(() => client.asked.some((one) => JSON.stringify(one) === JSON.stringify(fault)), work);

    expect(read(0x14, 1)).toBe(0x4f); // DEVICE_NEEDS_RESET
    expect(bytes.slice(TX_USED, TX_USED + 4)).toEqual(fields([4, 0]));
    register(0x14, 1, 0);
    expect(read(0x14, 1)).toBe(0);
  });

  it('of a client that goes while the card waits for its memory is forgotten', () => {
    const { tx } = start();
    putFrame();
    ring(tx, 1);
    expect(client.hasInput(PATIENCE_MS)).toBe(true);
    client.close();

    client = rawClient();
    expect(read(0x14, 1)).toBe(0); // device_status after the reset
  });

  it('of a client that does not answer is given up after two seconds, and the other function goes on', () => {
    const { tx } = start();
    putFrame();
    ring(tx, 1);
    const other = rawClient(2);

    until(
      () => client.isDropped(),
      () => {},
    );
    expect(other.request(COMMAND.DEVICE_GET_INFO, fields([4, 16], [4, 0], [4, 0], [4, 0])).error).toBe(0);
    other.close();
  });
});
