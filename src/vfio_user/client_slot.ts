// SPDX-License-Identifier: Apache-2.0
// The place of one client at one function. It is VERSION's answer that gives or refuses it (EBUSY), not the connection: a
// client that finds the connection closed before its VERSION is answered cannot tell why.
import { VfioError } from '../util/errors.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ClientSession, type SessionOptions } from './client_session.ts';
import type { MessageSocket } from '../peer/message_input.ts';

/** Connections that have not said VERSION, or wait for their refusal to be read; the oldest makes room for one more. */
const WAITING_MAX = 16;
/** More than a socket's buffer holds. */
const READS_MAX = 64;

export class ClientSlot {
  /** Clients that had the function so far. */
  clients = 0;
  private readonly options: SessionOptions;
  private holder: ClientSession | null = null;
  private readonly waiting = new Set<ClientSession>();

  constructor(options: SessionOptions) {
    this.options = options;
  }

  get isConnected(): boolean {
    return this.holder !== null;
  }

  /** Messages of the present client. */
  get messages(): number {
    return this.holder?.messages ?? 0;
  }

  /** A client came. */
  take(socket: MessageSocket): void {
    const session: ClientSession = new ClientSession(
      { ...this.options, openDevice: () => this.openFor(session) },
      socket,
      () => this.forget(session),
    );
    this.waiting.add(session);
    const [oldest] = this.waiting;
    if (this.waiting.size > WAITING_MAX) oldest!.end();
  }

  /** Called a few times a second. */
  tend(nowMs: number): void {
    this.holder?.tend(nowMs);
  }

  /** Drops all clients. */
  end(): void {
    this.holder?.end();
    for (const session of this.waiting) session.end();
  }

  private openFor(session: ClientSession): VfioDevice {
    // the holder may be gone without our having read so, behind the last that it sent
    for (let reads = 0; reads < READS_MAX && this.holder?.serve() === true; reads++);
    if (this.holder !== null) throw new VfioError('EBUSY', 'the function has a client; disconnect it first');
    const device = this.options.openDevice();
    this.waiting.delete(session);
    this.holder = session;
    this.clients++;
    return device;
  }

  private forget(session: ClientSession): void {
    this.waiting.delete(session);
    if (this.holder === session) this.holder = null;
  }
}
