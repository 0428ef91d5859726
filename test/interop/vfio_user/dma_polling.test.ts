// SPDX-License-Identifier: Apache-2.0
// Memory without a file descriptor, and a client that polls registers. As in a virtual machine whose processors wait for
// a register with the big lock held, memory is served between two register accesses only: who waits for memory before
// answering a register waits for ever. Status bits are typed from virtio 1.4 §2.1.
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { ServeProcess } from '../../support/serve_process.ts';
import { frame, startStation, type Station } from './support/driver_bench.ts';

const BROADCAST = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const LIVE = 0x0f; // ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK
const LIVE_LEGACY = 0x07;
const BURST = 6;
const BURSTS = 6;

/** device_status: §4.1.4.3 in BAR 2, where the common configuration lies, and §4.1.4.10 in BAR 0. */
const STATUS = { modern: [2, 0x14], legacy: [0, 18] } as const;
const VF = { modern: 1, legacy: 2 } as const;
type Kind = keyof typeof VF;

let libc: Libc;
let program: CliProgram;
let server: ServeProcess | null = null;
beforeAll(async () => {
  libc = await loadLibc();
  program = new CliProgram(['koffi']);
});
afterEach(async () => {
  await server?.end('SIGTERM');
  server = null;
});
afterAll(() => program.remove());

async function serve(mode: string): Promise<void> {
  const card = ['--vfs', '2', '--transitional', 'vf2', '--mode', mode, '--wire', 'loopback'];
  server = new ServeProcess(program.start('serve', ...card));
  await server.untilReady();
}

/** Accesses of the server to memory that wait for their answers, and who answers them. */
class Memory {
  readonly reads: (() => void)[] = [];
  polls = 0;
  isServed = true;
  private readonly writes: (() => void)[] = [];

  readonly onDma = (answer: () => void, isWrite: boolean): void => {
    (isWrite ? this.writes : this.reads).push(answer);
  };

  /** Between two register accesses. */
  serve(order: Order): void {
    this.polls++;
    if (!this.isServed) return;
    for (const answer of this.writes.splice(0)) answer();
    if (order === 'late' && this.polls % 3 !== 0) return;
    const due = this.reads.splice(0);
    for (const answer of order === 'backwards' ? due.reverse() : due) answer();
  }
}

const ORDERS = ['in order', 'backwards', 'late'] as const;
type Order = (typeof ORDERS)[number];

function start(kind: Kind, order: Order): Station & { mem: Memory; status: () => number } {
  const mem = new Memory();
  const client = new VfioUserClient(libc, join(program.folder, `vf${VF[kind]}.sock`), { onDma: mem.onDma });
  const [region, offset] = STATUS[kind];
  const status = (): number => client.read(region, offset, 1);
  const poll = (): void => {
    status();
    mem.serve(order);
  };
  return { ...startStation(libc, client, kind, 'none', poll), mem, status };
}

function until(isDone: () => boolean, work: () => void): void {
  for (const late = performance.now() + PATIENCE_MS; !isDone();) {
    if (performance.now() > late) throw new Error('it does not come');
    work();
  }
}

describe.each(['functional', 'timed'])('a driver that polls, %s mode', (mode) => {
  describe.each(['modern', 'legacy'] as const)('%s', (kind) => {
    it.each(ORDERS)('carries frames both ways, in order and unaltered; memory is read %s', async (order) => {
      await serve(mode);
      const { client, driver, received, status, settle } = start(kind, order);
      const sent: Uint8Array[] = [];
      for (let burst = 0; burst < BURSTS; burst++) {
        for (let i = 0; i < BURST; i++) {
          const one = frame(BROADCAST, driver.mac, 60 + 41 * sent.length);
          sent.push(one);
          driver.send(one);
          status(); // right behind the doorbell, which is without reply
        }
        until(() => {
          driver.poll();
          return received.length >= sent.length;
        }, settle);
      }

      expect(received).toEqual(sent);
      expect(status()).toBe(kind === 'modern' ? LIVE : LIVE_LEGACY);
      client.close();
    });

    it('can be reset while the card waits for its memory, and starts again', async () => {
      await serve(mode);
      const first = start(kind, 'in order');
      first.mem.isServed = false;
      first.driver.send(frame(BROADCAST, first.driver.mac));
      until(() => first.mem.reads.length > 0, first.settle);
      const [region, offset] = STATUS[kind];
      first.client.write(region, offset, 1, 0);
      expect(first.status()).toBe(0);
      first.mem.isServed = true;
      first.mem.serve('in order'); // answers that nobody waits for any more
      expect(first.status()).toBe(0);
      first.client.close();

      const { driver, received, settle } = start(kind, 'in order');
      const one = frame(BROADCAST, driver.mac);
      driver.send(one);
      until(() => {
        driver.poll();
        return received.length > 0;
      }, settle);
      expect(received).toEqual([one]);
    });

    it('that dies while the card waits for its memory leaves the function as it was', async () => {
      await serve(mode);
      const first = start(kind, 'in order');
      first.mem.isServed = false;
      for (let i = 0; i < BURST; i++) first.driver.send(frame(BROADCAST, first.driver.mac));
      until(() => first.mem.reads.length > 0, first.settle);
      first.client.close();

      const { driver, received, status, settle } = start(kind, 'in order');
      const one = frame(BROADCAST, driver.mac, 999);
      driver.send(one);
      until(() => {
        driver.poll();
        return received.length > 0;
      }, settle);
      expect(received).toEqual([one]);
      expect(status()).toBe(kind === 'modern' ? LIVE : LIVE_LEGACY);
    });
  });

  it('holds up no other function while its memory does not answer, and is given up in the end', async () => {
    await serve(mode);
    const silent = start('modern', 'in order');
    silent.mem.isServed = false;
    silent.driver.send(frame(BROADCAST, silent.driver.mac));
    until(() => silent.mem.reads.length > 0, silent.settle);

    const { driver, received, settle } = start('legacy', 'in order');
    const sent = Array.from({ length: 20 }, (_, i) => frame(driver.mac, silent.driver.mac, 60 + i));
    for (const one of sent) driver.send(Uint8Array.from([...BROADCAST, ...one.subarray(6)]));
    until(() => {
      driver.poll();
      return received.length === sent.length;
    }, settle);
    until(() => {
      try {
        silent.status();
        return false;
      } catch {
        return true;
      }
    }, settle);
    expect(received.map((one) => one.length)).toEqual(sent.map((one) => one.length));
  });
});
