// SPDX-License-Identifier: Apache-2.0
// The place of one kernel at one function. vhost-user has no answer that refuses a connection: whoever comes while another
// kernel is there finds it closed.
import type { MessageSocket } from '../peer/message_input.ts';
import { KernelSession, type KernelSessionOptions } from './kernel_session.ts';

/** More than a socket's buffer holds. */
const READS_MAX = 64;

/** What became of a kernel at a function. */
export type SlotEvent =
  | { readonly kind: 'connected' }
  /** It went by itself. */
  | { readonly kind: 'closed' }
  /** It said what cannot be, or came while another was there. */
  | { readonly kind: 'dropped'; readonly reason: string };

export class FunctionSlot {
  /** Kernels that had the function so far. */
  kernels = 0;
  private readonly options: KernelSessionOptions;
  private readonly onEvent: (event: SlotEvent) => void;
  private session: KernelSession | null = null;

  constructor(options: KernelSessionOptions, onEvent: (event: SlotEvent) => void) {
    this.options = options;
    this.onEvent = onEvent;
  }

  /** The present kernel's session. */
  get present(): KernelSession | null {
    return this.session;
  }

  /** A kernel came. */
  take(socket: MessageSocket): void {
    // the one before may be gone without our having read so, behind the last that it sent
    for (let reads = 0; reads < READS_MAX && this.session?.serve() === true; reads++);
    // one that has said nothing is no kernel yet
    if (this.session?.messages === 0) this.session.end('it said nothing until another kernel came');
    if (this.session !== null) {
      socket.close();
      this.onEvent({ kind: 'dropped', reason: 'another kernel has the function' });
      return;
    }
    try {
      this.session = new KernelSession(this.options, socket, (reason) => {
        this.session = null;
        this.onEvent(reason === null ? { kind: 'closed' } : { kind: 'dropped', reason });
      });
    } catch (error) {
      socket.close(); // the card has no address space left
      throw error;
    }
    this.kernels++;
    this.onEvent({ kind: 'connected' });
  }

  /** Lets the kernel go. */
  end(): void {
    this.session?.end(null);
  }
}
