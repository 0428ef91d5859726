// SPDX-License-Identifier: Apache-2.0
// A network namespace of its own for each run: the host's side of the wire. TAP devices in it, programs of the tree
// run in it, and nothing of it is seen outside.
import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process';

/** Address of the host in every run, and those that guests take. */
export const HOST_ADDRESS = '10.77.0.1';
export const GUEST_ADDRESSES = ['10.77.0.11', '10.77.0.12'] as const;
export const PREFIX_LENGTH = 24;

/** Deletes a namespace with all devices in it, and ends what still runs there. */
export function removeNetwork(name: string): void {
  const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).split('\n');
  for (const pid of pids.filter((line) => line !== '')) process.kill(Number(pid), 'SIGKILL');
  execFileSync('ip', ['netns', 'delete', name]);
}

/** A network namespace with a name. */
export class HostNetwork {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
    execFileSync('ip', ['netns', 'add', name]);
    this.ip('link', 'set', 'lo', 'up');
  }

  /** iproute2 inside the namespace. */
  ip(...args: readonly string[]): string {
    return execFileSync('ip', ['-n', this.name, ...args], { encoding: 'utf8' });
  }

  /** A TAP device that is up. */
  addTap(tap: string, { multiQueue = false } = {}): void {
    this.ip('tuntap', 'add', 'dev', tap, 'mode', 'tap', ...(multiQueue ? ['multi_queue'] : []));
    this.ip('link', 'set', tap, 'up');
  }

  /** A bridge with ports. */
  addBridge(bridge: string, ports: readonly string[]): void {
    this.ip('link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0');
    for (const port of ports) this.ip('link', 'set', port, 'master', bridge);
    this.ip('link', 'set', bridge, 'up');
  }

  /** Gives a device the address of the host. */
  addHostAddress(device: string): void {
    this.ip('address', 'add', `${HOST_ADDRESS}/${PREFIX_LENGTH}`, 'dev', device);
  }

  /** Packets that a device has carried in both directions. */
  packets(device: string): number {
    const counts = this.run(['sh', '-c', `cat /sys/class/net/${device}/statistics/[rt]x_packets`]);
    return counts
      .trim()
      .split('\n')
      .reduce((sum, count) => sum + Number(count), 0);
  }

  /** Starts a program in the namespace; the child's process id is the program's. */
  spawn(command: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, ...command], options);
  }

  /** Runs a program in the namespace and returns what it prints. */
  run(command: readonly string[], timeoutMs = 60_000): string {
    return execFileSync('ip', ['netns', 'exec', this.name, ...command], { encoding: 'utf8', timeout: timeoutMs });
  }
}
