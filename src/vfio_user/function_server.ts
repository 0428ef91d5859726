// SPDX-License-Identifier: Apache-2.0
// Serves one function at one path, to one client at a time. The device is reset when a client comes and when it goes, as
// vfio-pci does for whoever opens it.
import type { Nic } from '../device/nic.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { UnixListener } from '../native/unix_socket.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ClientSlot } from './client_slot.ts';

export interface FunctionServerOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly nic: Nic;
  readonly path: string;
  /** The function as a client gets it, for each client anew. VfioError: the client is refused. */
  readonly openDevice: () => VfioDevice;
}

export class FunctionServer {
  readonly path: string;
  private readonly poller: Poller;
  private readonly listener: UnixListener;
  private readonly slot: ClientSlot;

  /** Throws NicError SOCKET where the path is taken. */
  constructor(options: FunctionServerOptions) {
    this.path = options.path;
    this.poller = options.poller;
    this.slot = new ClientSlot(options);
    this.listener = new UnixListener(options.libc, options.path);
    options.poller.add(this.listener.fd, () => this.accept());
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

  /** Drops the client and takes the path away. */
  close(): void {
    this.slot.end();
    this.poller.remove(this.listener.fd);
    this.listener.close();
  }

  private accept(): void {
    const socket = this.listener.accept();
    if (socket !== null) this.slot.take(socket);
  }
}
