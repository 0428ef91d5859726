// SPDX-License-Identifier: Apache-2.0
// Serves one function at one path, to one client at a time. The device is reset when a client comes and when it goes, as
// vfio-pci does for whoever opens it.
import type { Nic } from '../device/nic.ts';
import type { Attachment, Say } from '../native/attachment.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { ServedPath } from '../native/served_path.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ClientSlot } from './client_slot.ts';

export interface FunctionServerOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly nic: Nic;
  readonly path: string;
  /** The function as a client gets it, for each client anew. VfioError: the client is refused. */
  readonly openDevice: () => VfioDevice;
  /** Told when the socket is taken away from its path, and when it is there again. */
  readonly say?: Say;
}

export class FunctionServer {
  readonly path: string;
  private readonly served: ServedPath;
  private readonly slot: ClientSlot;

  /** Throws NicError SOCKET where the path is taken. */
  constructor(options: FunctionServerOptions) {
    const { libc, poller, path, say = () => {} } = options;
    this.path = path;
    this.slot = new ClientSlot(options);
    this.served = new ServedPath({ libc, poller, path, say }, (socket) => this.slot.take(socket));
  }

  get isConnected(): boolean {
    return this.slot.isConnected;
  }

  /** Clients that came so far. */
  get clients(): number {
    return this.slot.clients;
  }

  /** Messages of the present client. */
  get messages(): number {
    return this.slot.messages;
  }

  /** How the socket at its path fares. */
  get attachment(): Attachment {
    return this.served.attachment;
  }

  /** Looks after the socket and the client; called a few times a second. */
  tend(nowMs: number): void {
    this.served.tend(nowMs);
    this.slot.tend(nowMs);
  }

  /** Drops the client and takes the path away. */
  close(): void {
    this.slot.end();
    this.served.close();
  }
}
