// SPDX-License-Identifier: Apache-2.0
// Serves one function at one path, to one client at a time. The device is reset when a client comes and when it goes, as
// vfio-pci does for whoever opens it.
import type { Nic } from '../device/nic.ts';
import type { Libc } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { UnixListener } from '../native/unix_socket.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ClientSession } from './client_session.ts';

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
  /** Clients that came so far. */
  clients = 0;
  private readonly options: FunctionServerOptions;
  private readonly listener: UnixListener;
  private session: ClientSession | null = null;

  /** Throws NicError SOCKET where the path is taken. */
  constructor(options: FunctionServerOptions) {
    this.options = options;
    this.path = options.path;
    this.listener = new UnixListener(options.libc, options.path);
    options.poller.add(this.listener.fd, () => this.accept());
  }

  get isConnected(): boolean {
    return this.session !== null;
  }

  /** Messages of the present client. */
  get messages(): number {
    return this.session?.messages ?? 0;
  }

  /** Drops the client and takes the path away. */
  close(): void {
    this.session?.end();
    this.options.poller.remove(this.listener.fd);
    this.listener.close();
  }

  private accept(): void {
    const socket = this.listener.accept();
    if (socket === null) return;
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
}
