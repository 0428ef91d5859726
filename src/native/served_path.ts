// SPDX-License-Identifier: Apache-2.0
// A path at which programs connect for as long as we run: whoever takes the socket away from its path, with its folder or
// alone, finds it there again. What somebody else puts in its place is left alone.
import { NicError } from '../util/errors.ts';
import { Attachment, type Say } from './attachment.ts';
import { errnoText } from './errno_text.ts';
import { EMFILE, ENFILE, ENOBUFS, ENOMEM, type Libc } from './libc.ts';
import type { Poller } from './poller.ts';
import { UnixListener, type UnixSocket } from './unix_socket.ts';

/** How often the path is looked at. */
const LOOK_MS = 1000;
/** A connection that cannot be taken stays in the queue, and the descriptor ready: not looked at for this long. */
const PAUSE_MS = 500;
const NO_ROOM: ReadonlySet<number> = new Set([EMFILE, ENFILE, ENOMEM, ENOBUFS]);

export interface ServedPathOptions {
  readonly libc: Libc;
  readonly poller: Poller;
  readonly path: string;
  readonly say: Say;
}

export class ServedPath {
  readonly attachment: Attachment;
  private readonly options: ServedPathOptions;
  private readonly onSocket: (socket: UnixSocket) => void;
  private listener: UnixListener;
  private lookAtMs = 0;
  private pausedUntilMs = 0;

  /** Throws NicError SOCKET where the path is taken. */
  constructor(options: ServedPathOptions, onSocket: (socket: UnixSocket) => void) {
    this.options = options;
    this.onSocket = onSocket;
    this.attachment = new Attachment(options.path, options.say);
    this.listener = new UnixListener(options.libc, options.path);
    this.watch();
  }

  /** Looks whether the socket is in its place, and puts it there again. Called a few times a second. */
  tend(nowMs: number): void {
    if (this.pausedUntilMs > 0 && nowMs >= this.pausedUntilMs) {
      this.pausedUntilMs = 0;
      this.watch();
    }
    if (nowMs < this.lookAtMs) return;
    if (!this.listener.isInPlace()) {
      this.attachment.lose('the socket was taken away; clients stay, nobody new can connect', nowMs);
    }
    this.attachment.retry(nowMs, () => this.listenAgain(nowMs));
    if (this.attachment.state === 'up') this.lookAtMs = nowMs + LOOK_MS;
  }

  close(): void {
    this.unwatch();
    this.listener.close();
  }

  private watch(): void {
    this.options.poller.add(this.listener.fd, () => this.accept());
  }

  private unwatch(): void {
    if (this.pausedUntilMs === 0) this.options.poller.remove(this.listener.fd);
    this.pausedUntilMs = 0;
  }

  private accept(): void {
    const socket = this.listener.accept();
    if (socket !== null) {
      this.onSocket(socket);
      return;
    }
    const reason = this.options.libc.errno();
    if (!NO_ROOM.has(reason)) return; // whoever came has gone again
    this.attachment.dropped++;
    if (this.attachment.dropped === 1) this.attachment.tell(`a connection has to wait: ${errnoText(reason)}`);
    this.unwatch();
    this.pausedUntilMs = performance.now() + PAUSE_MS;
  }

  private listenAgain(nowMs: number): void {
    const { libc, path } = this.options;
    try {
      const listener = new UnixListener(libc, path);
      this.unwatch();
      this.listener.close();
      this.listener = listener;
      this.watch();
      this.attachment.restore('the socket is there again', nowMs);
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      this.attachment.lose(error.message, nowMs);
    }
  }
}
