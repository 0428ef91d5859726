// SPDX-License-Identifier: Apache-2.0
// The place of one client at one function: who comes while it is taken is turned away.
import { ClientSession, type SessionOptions } from './client_session.ts';
import type { MessageSocket } from './connection.ts';

export class ClientSlot {
  /** Clients that came so far. */
  clients = 0;
  private readonly options: SessionOptions;
  private session: ClientSession | null = null;

  constructor(options: SessionOptions) {
    this.options = options;
  }

  get isConnected(): boolean {
    return this.session !== null;
  }

  /** Messages of the present client. */
  get messages(): number {
    return this.session?.messages ?? 0;
  }

  /** A client came. */
  take(socket: MessageSocket): void {
    // the one before may be gone without our having read so
    this.session?.serve();
    if (this.session !== null) {
      socket.close(); // one device, one client
      return;
    }
    this.clients++;
    this.session = new ClientSession(this.options, socket, () => {
      this.session = null;
    });
  }

  /** Drops the client. */
  end(): void {
    this.session?.end();
  }
}
