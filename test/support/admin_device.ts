// SPDX-License-Identifier: Apache-2.0
// An admin queue answered by hand: what the client put into the ring, as bytes, and the answers the test gives.
import { AdminClient, type AdminClientOptions } from '../../src/guest/admin_client.ts';
import { SplitRing, type SplitRingOptions } from '../../src/guest/split_ring.ts';
import { PlainMemory, ScriptedClock } from './plain_memory.ts';
import { RingDevice, type Chain } from './ring_device.ts';

export interface Command {
  readonly chain: Chain;
  readonly bytes: readonly number[];
  readonly opcode: number;
  readonly groupType: number;
  readonly memberId: number;
  /** What follows the 24-byte header. */
  readonly data: readonly number[];
  /** Bytes the driver gives for status and result. */
  readonly writable: number;
}

/** Status word, qualifier and 4 reserved bytes, then the result. */
export function answerBytes(status: number, qualifier = 0, result: readonly number[] = []): number[] {
  return [status & 0xff, status >>> 8, qualifier, 0, 0, 0, 0, 0, ...result];
}

export class AdminDevice {
  readonly memory = new PlainMemory();
  readonly clock = new ScriptedClock();
  readonly notified: number[] = [];
  readonly client: AdminClient;
  readonly ring: SplitRing;
  readonly device: RingDevice;

  constructor(options: AdminClientOptions = {}, ring: Partial<SplitRingOptions> = {}) {
    this.client = new AdminClient(this.memory, this.clock, { notify: (queue) => this.notified.push(queue) }, options);
    this.ring = new SplitRing(this.memory, { queue: 5, size: 64, layout: 'modern', ...ring });
    this.device = new RingDevice(this.memory, this.ring);
    this.client.start(this.ring);
  }

  take(): Command | null {
    const chain = this.device.take();
    if (chain === null) return null;
    const bytes = this.device.read(chain);
    const view = new DataView(Uint8Array.from(bytes).buffer);
    return {
      chain,
      bytes,
      opcode: view.getUint16(0, true),
      groupType: view.getUint16(2, true),
      memberId: Number(view.getBigUint64(16, true)),
      data: bytes.slice(24),
      writable: chain.segments.reduce((sum, segment) => sum + (segment.isWritable ? segment.length : 0), 0),
    };
  }

  /** Answers the next command when the driver waits, and interrupts it. */
  onWait(answer: (command: Command) => readonly number[]): void {
    this.clock.pending.push(() => {
      const command = this.take();
      if (command === null) throw new Error('the driver waits, but sent no command');
      this.device.answer(command.chain, answer(command));
      this.client.onUsed();
    });
  }
}
