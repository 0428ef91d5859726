// SPDX-License-Identifier: Apache-2.0
// `virtfn serve --uml --time-travel`: one clock for a kernel and the card. The kernel here is a protocol and no Linux;
// what takes how long comes from a card in this process, with calls that wait.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { createNic, type Nic } from '../../../src/device/nic.ts';
import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { UML_ROUTING } from '../../../src/uml/uml_server.ts';
import { CliProgram } from '../../support/cli_program.ts';
import { ServeProcess } from '../../support/serve_process.ts';
import { KernelClock, TIME } from './support/kernel_clock.ts';
import { number, OP, RAM, UmlKernel, type UmlKernel as Kernel } from './support/uml_kernel.ts';
import { enablePf, startDriver, transmitLater, NOTIFY, NUM_QUEUES } from './support/uml_driver.ts';

/** Default clock of a profile: 4 ns. */
const NS_PER_CYCLE = 4;

let libc: Libc;
let program: CliProgram;
let servers: ServeProcess[] = [];
let clocks: KernelClock[] = [];
beforeAll(async () => {
  libc = await loadLibc();
  program = new CliProgram(['koffi']);
});
afterEach(async () => {
  for (const clock of clocks) clock.close();
  for (const server of servers) await server.end('SIGKILL');
  [servers, clocks] = [[], []];
  for (const file of readdirSync(program.folder)) rmSync(join(program.folder, file));
});
afterAll(() => program.remove());

async function serve(...args: readonly string[]): Promise<ServeProcess> {
  const server = new ServeProcess(program.start('serve', '--uml', '--time-travel', '--mode', 'timed', ...args));
  servers.push(server);
  await server.untilReady();
  return server;
}

function startClock(): KernelClock {
  const clock = new KernelClock(libc, program.folder);
  clocks.push(clock);
  clock.say(TIME.START, 1);
  return clock;
}

/** The PF; the kernel polls for its answers. */
function kernelOf(clock: KernelClock): Kernel {
  const kernel = clock.kernel(program.folder, 'pf');
  kernel.view.setUint16(RAM + 0x1000, 1, true); // VRING_AVAIL_F_NO_INTERRUPT of queue 0
  return kernel;
}

/** What the clock advances by. */
function taken(clock: KernelClock, work: () => void): number {
  const before = clock.timeNs;
  work();
  return clock.timeNs - before;
}

/** The same card, with calls that wait. */
function cardHere(): Nic {
  return createNic({ mode: 'timed', totalVfs: 1, ...UML_ROUTING });
}

function nsOf(nic: Nic, work: () => void): number {
  const before = nic.now();
  work();
  return (nic.now() - before) * NS_PER_CYCLE;
}

describe("the kernel's clock", () => {
  it('stands at 0 when the kernel starts, with the time of day of 2026-01-01', async () => {
    await serve();
    const clock = startClock();

    expect(clock.say(TIME.GET)).toBe(0);
    // 56 years from 1970 on, 14 of them leap years, in seconds
    expect(clock.say(TIME.GET_TOD)).toBe((56 * 365 + 14) * 86400 * 1e9);
  });

  it('goes to the time that the kernel asks for, where nothing else happens', async () => {
    await serve();
    const clock = startClock();

    expect([1_000, 1_003, 5_000_000_000].map((ns) => clock.sleepUntil(ns))).toEqual([1_000, 1_003, 5_000_000_000]);
  });

  it.each([
    ['a configuration read', (kernel: Kernel) => kernel.configRead(0, 4), (nic: Nic) => nic.configRead(0, 0, 4)],
    [
      'one of 8 bytes, which are two',
      (kernel: Kernel) => kernel.command(OP.CFG_READ, 0, 8, 0),
      (nic: Nic) => [nic.configRead(0, 0, 4), nic.configRead(0, 4, 4)],
    ],
    [
      'a configuration write',
      (kernel: Kernel) => kernel.configWrite(4, 2, 6),
      (nic: Nic) => nic.configWrite(0, 4, 2, 6),
    ],
    ['a read in a BAR', (kernel: Kernel) => kernel.read(2, NUM_QUEUES, 2), (nic: Nic) => nic.read(0, 2, NUM_QUEUES, 2)],
  ])('shows what %s takes when the kernel has its answer', async (_, work, same) => {
    await serve();
    const clock = startClock();
    const kernel = kernelOf(clock);
    kernel.configRead(0, 4); // the card has put the function in order for the kernel, which took time of its own

    const nic = cardHere();
    const expected = nsOf(nic, () => same(nic));

    expect(expected).toBeGreaterThan(0);
    expect(taken(clock, () => work(kernel))).toBe(expected);
  });

  it('shows no time for a write to a BAR, which is posted', async () => {
    await serve();
    const clock = startClock();
    const kernel = kernelOf(clock);
    enablePf(kernel);

    expect(taken(clock, () => kernel.write(2, 8, 4, 1))).toBe(0);
  });

  it('shows what the kernel itself is said to take, for each access', async () => {
    await serve('--guest-ns', '1000');
    const clock = startClock();
    const kernel = kernelOf(clock);
    enablePf(kernel);
    clock.sleepUntil(clock.timeNs + 1e6);

    expect(taken(clock, () => kernel.write(2, 8, 4, 1))).toBe(1000);
    expect(taken(clock, () => kernel.write(2, 8, 4, 0))).toBe(1000);
  });

  it('does not go past a timer of the kernel: the rest of an access is polled for', async () => {
    await serve();
    const clock = startClock();
    const kernel = kernelOf(clock);
    kernel.configRead(0, 4);
    const begin = clock.timeNs;
    clock.say(TIME.REQUEST, begin + 100);

    kernel.sendCommand(OP.CFG_READ, 0, 4, 0);
    const [atOnce, ns] = [kernel.takeAnswer(4), clock.timeNs - begin];
    const timer = clock.sleepUntil(begin + 100);
    const atTimer = kernel.takeAnswer(4);
    const polled = clock.sleepUntil(begin + 1_100);

    expect([atOnce, ns, timer - begin, atTimer, polled - begin]).toEqual([null, 0, 100, null, 1_100]);
    expect(number(kernel.takeAnswer(4)!)).toBe(0x1041_1af4);
  });

  it('stands in the cycle of an interrupt when that comes', async () => {
    await serve();
    const clock = startClock();
    const kernel = kernelOf(clock);
    enablePf(kernel);
    startDriver(kernel);
    const latencies = [0, 1, 2].map((frame) => {
      clock.sleepUntil(clock.timeNs + 1e6); // the card comes to rest
      clock.calls.length = 0;
      transmitLater(kernel, frame);
      const doorbell = clock.timeNs;
      kernel.write(2, NOTIFY + 4, 2, 1);
      expect(clock.timeNs).toBe(doorbell);
      const woken = clock.sleepUntil(doorbell + 1e9);
      expect(clock.calls).toEqual([{ queue: 1, atNs: woken }]);
      return woken - doorbell;
    });

    expect(kernel.takeMessages()).toHaveLength(3);
    expect(latencies[0]).toBeGreaterThan(0);
    expect(latencies[2]).toBe(latencies[1]);
  });

  it('goes the same way in every run', async () => {
    const runs: number[][] = [];
    for (let i = 0; i < 2; i++) {
      const server = await serve();
      const clock = startClock();
      const kernel = kernelOf(clock);
      const times: number[] = [];
      enablePf(kernel);
      times.push(clock.timeNs);
      startDriver(kernel);
      times.push(clock.timeNs);
      for (let frame = 0; frame < 4; frame++) {
        transmitLater(kernel, frame);
        kernel.write(2, NOTIFY + 4, 2, 1);
        times.push(clock.sleepUntil(clock.timeNs + 7_001));
        kernel.takeMessages();
      }
      runs.push(times);
      kernel.kill();
      clock.close();
      clocks = [];
      expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(server.stderr).toBe('');
      expect(readdirSync(program.folder)).toEqual([]);
    }

    expect(runs[1]).toEqual(runs[0]);
  });
});

describe('a kernel', () => {
  it('that has a time of its own is dropped, and told how it gets the one of the card', async () => {
    const server = await serve();
    const kernel = new UmlKernel(libc, program.folder, 'pf', () => {}, { waitMs: 2000 });
    kernel.start();
    expect(() => kernel.configRead(0, 4)).toThrow('drops the kernel');
    await server.end('SIGTERM');

    expect(server.stderr).toContain(
      `pf: the kernel is dropped: the kernel has a time of its own; give it time-travel=ext:`,
    );
  });

  it.each([
    ['an operation that is none', (clock: KernelClock) => clock.say(99), "operation 99 is none of a calendar's"],
    [
      'a time that is not the one it was given',
      (clock: KernelClock) => clock.say(TIME.UPDATE, 12),
      'the kernel has its time at 12 ns, the calendar at 0',
    ],
    [
      'an acknowledgement of something else',
      (clock: KernelClock) => {
        clock.liesOnce = true;
        clock.sleepUntil(100);
        clock.say(TIME.GET);
      },
      'the acknowledgement of message 8 comes for message 1',
    ],
  ])('that says %s is dropped, and the next one is served', async (_, lie, reason) => {
    const server = await serve();
    const clock = startClock();
    lie(clock);
    const next = startClock();

    expect(clock.isGone).toBe(true);
    expect(next.sleepUntil(50)).toBe(50);
    await server.end('SIGTERM');
    expect(server.stderr).toBe(`virtfn: the calendar drops the kernel: ${reason}\n`);
  });

  it('that comes while another is there finds the calendar closed', async () => {
    const server = await serve();
    const clock = startClock();
    const other = new KernelClock(libc, program.folder);
    clocks.push(other);
    other.say(TIME.START, 2);

    expect([other.isGone, clock.sleepUntil(10)]).toEqual([true, 10]);
    await server.end('SIGTERM');
    expect(server.stderr).toBe('virtfn: another kernel came to the calendar; it has one\n');
  });
});

describe('the program', () => {
  it("has the calendar first among the kernel's arguments", async () => {
    const { stdout } = await serve();

    expect(stdout).toContain(
      `linux time-travel=ext:${join(program.folder, 'time.sock')} virtio_uml.device=${join(program.folder, 'pf.sock')}:1234 `,
    );
    expect(readdirSync(program.folder).toSorted()).toEqual(['pf.sock', 'time.sock', 'vf1.sock']);
  });

  it("puts the calendar's socket back where somebody takes it away", async () => {
    const server = await serve();
    rmSync(join(program.folder, 'time.sock'));
    while (!existsSync(join(program.folder, 'time.sock'))) await new Promise((resolve) => setTimeout(resolve, 20));

    expect(startClock().sleepUntil(50)).toBe(50);
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(server.stderr).toContain('time.sock: the socket was taken away');
    expect(readdirSync(program.folder)).toEqual([]);
  });

  it.each([
    [['--mode', 'timed'], /--time-travel: only a User Mode Linux kernel lends its clock; add --uml/],
    [['--uml'], /--time-travel: a functional card has no time; add --mode timed/],
    [
      ['--uml', '--mode', 'timed', '--wire', 'tap:tap0'],
      /--wire: tap:tap0: that has a clock of its own; none, loopback and pcap:FILE go with --time-travel/,
    ],
  ])('refuses --time-travel with %s', (args, text) => {
    const { code, stderr } = program.run('serve', '--time-travel', ...args);

    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(text) });
    expect(readdirSync(program.folder)).toEqual([]);
  });

  it('refuses --guest-ns where the kernel has a time of its own', () => {
    const { code, stderr } = program.run('serve', '--uml', '--guest-ns', '5');

    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/--guest-ns: .*; add --time-travel/) });
  });
});
