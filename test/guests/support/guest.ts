// SPDX-License-Identifier: Apache-2.0
// A virtual machine: QEMU under TCG in the prepared tree, with a kernel of Debian and the initramfs of guest/init. The
// first serial line is the kernel's console and goes to a file, the second carries scripts in and their output back.
import { type ChildProcess } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { HostNetwork } from './network.ts';
import { Qmp } from './qmp.ts';
import { inTree, type KernelName, TREE } from './tree.ts';

const END = '\u001e'; // goes before the exit code of a script, and before `ready`
const BOOT_TIMEOUT_MS = 60_000;
const QMP_FD = 3;
/** What a kernel prints when something is wrong with it or with its drivers. */
const COMPLAINT = /WARNING:|BUG:|Oops|Call Trace|blocked for more than|rcu.*stall|Kernel panic|probe .*failed/;

export interface GuestOptions {
  readonly kernel: KernelName;
  readonly network: HostNetwork;
  /** Folder of the run, as seen in the tree. */
  readonly folder: string;
  /** Tells the guests of a run apart. */
  readonly name: string;
  /** Options of QEMU that add devices. */
  readonly devices: readonly string[];
  /** More for the kernel's command line. */
  readonly append?: string;
  readonly cpus?: number;
  /** Boots with what prepare.sh puts into initrd.tools: iperf3, testpmd, more modules. */
  readonly hasTools?: boolean;
  /** Whether QEMU may map the guest's memory for others; without, each access of the card is a message. */
  readonly isMemoryShared?: boolean;
}

/** How a script ended in the guest. */
export interface ScriptResult {
  readonly code: number;
  readonly output: string;
}

/** A running guest. */
export class Guest {
  /** What the guest's machine is asked by, and tells. */
  readonly qmp: Qmp;
  private readonly qemu: ChildProcess;
  private readonly consoleFile: string;
  private readonly ended: Promise<string>;
  private received = '';
  private bootMs_ = NaN;
  private arrived: () => void = () => undefined;

  private constructor(options: GuestOptions) {
    const { kernel, network, folder, name, devices, append = '', cpus = 1 } = options;
    const { hasTools = false, isMemoryShared = true } = options;
    const initrd = hasTools ? 'initrd.tools' : 'initrd';
    const consolePath = join(folder, `${name}.console`);
    this.consoleFile = join(TREE, consolePath);
    this.qemu = network.spawn(
      inTree(
        [
          ['qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max', '-smp', String(cpus), '-m', '512'],
          isMemoryShared
            ? ['-machine', 'q35,memory-backend=ram', '-object', 'memory-backend-memfd,id=ram,size=512M,share=on']
            : ['-machine', 'q35'],
          ['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
          ['-nodefaults', '-display', 'none', '-serial', `file:${consolePath}`, '-serial', 'stdio'],
          ['-kernel', `/guests/${kernel}/vmlinuz`, '-initrd', `/guests/${kernel}/${initrd}`],
          ['-append', `console=ttyS0 ${append}`],
          devices,
        ].flat(),
      ),
      { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] },
    );
    this.qmp = new Qmp(this.qemu.stdio[QMP_FD] as Duplex);
    let errors = '';
    this.qemu.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
    this.qemu.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.received += text;
      this.arrived();
    });
    this.qemu.stdin!.on('error', () => undefined); // written to a QEMU that has gone; `ended` says so
    this.ended = new Promise((resolve) => {
      this.qemu.on('close', (code, signal) => resolve(`QEMU ended with ${signal ?? `code ${code}`}: ${errors}`));
    });
  }

  /** Starts QEMU and waits until the guest takes scripts. */
  static async boot(options: GuestOptions): Promise<Guest> {
    const began = performance.now();
    const guest = new Guest(options);
    await guest.qmp.execute('qmp_capabilities');
    await guest.untilReady();
    guest.bootMs_ = performance.now() - began;
    return guest;
  }

  /** From the start of QEMU until the guest took scripts. */
  get bootMs(): number {
    return this.bootMs_;
  }

  get pid(): number {
    return this.qemu.pid!;
  }

  /** Runs a shell script in the guest; a script that fails is an error that shows what it printed. */
  async run(script: string, timeoutMs?: number): Promise<string> {
    const { code, output } = await this.tryRun(script, timeoutMs);
    if (code !== 0) throw this.fault(`exit code ${code} of: ${script}\n${output}`);
    return output;
  }

  /** The same for scripts that may fail. */
  async tryRun(script: string, timeoutMs = 60_000): Promise<ScriptResult> {
    this.qemu.stdin!.write(`${Buffer.from(script).toString('base64')}\n`);
    const { output, mark } = await this.untilMark(timeoutMs, script);
    return { code: Number(mark), output };
  }

  /** Restarts the guest's machine, which QEMU survives, and waits until it is up again. */
  async reboot(): Promise<void> {
    this.qemu.stdin!.write(`${Buffer.from('reboot -f').toString('base64')}\n`);
    await this.untilReady();
  }

  /** Ends QEMU in whatever it does. */
  async kill(): Promise<void> {
    this.qemu.kill('SIGKILL');
    await this.ended;
  }

  /** What the kernel has printed; QEMU makes the file when it starts. */
  console(): string {
    return existsSync(this.consoleFile) ? readFileSync(this.consoleFile, 'utf8') : '';
  }

  /** Lines of the console that a healthy kernel does not print. */
  complaints(): string[] {
    return this.console()
      .split('\n')
      .filter((line) => COMPLAINT.test(line));
  }

  private async untilReady(): Promise<void> {
    const { mark } = await this.untilMark(BOOT_TIMEOUT_MS, 'boot');
    if (mark !== 'ready') throw this.fault(`the guest says '${mark}' instead of being ready`);
  }

  /** Waits for the end mark; what came before it and what stands in its line. */
  private async untilMark(timeoutMs: number, doing: string): Promise<{ output: string; mark: string }> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const [output = '', rest] = this.received.split(END, 2);
      const lineEnd = rest?.indexOf('\n') ?? -1;
      if (rest !== undefined && lineEnd >= 0) {
        this.received = this.received.slice(output.length + END.length + lineEnd + 1);
        return { output, mark: rest.slice(0, lineEnd) };
      }
      await this.untilArrival(deadline - performance.now(), `${doing}\n${this.received}`);
    }
  }

  private async untilArrival(timeoutMs: number, doing: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(resolve, Math.max(timeoutMs, 0), 'no answer in time');
    });
    const arrival = new Promise<undefined>((resolve) => (this.arrived = () => resolve(undefined)));
    const fault = await Promise.race([arrival, late, this.ended]);
    clearTimeout(timer);
    if (fault !== undefined) throw this.fault(`${fault}: ${doing}`);
  }

  private fault(message: string): Error {
    return new Error(`${message}\nlast lines of the console:\n${this.console().split('\n').slice(-15).join('\n')}`);
  }
}
