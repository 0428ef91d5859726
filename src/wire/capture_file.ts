// SPDX-License-Identifier: Apache-2.0
// A capture that is written while frames pass, to a file or a FIFO that a program reads (Wireshark, say). Writing never
// waits: a reader that is slow misses frames, one that has gone may come again and gets a capture from its beginning. A
// full file system is waited for; a file that ends in the middle of a record is cut back to its last whole one.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statSync } from 'node:fs';

import { Attachment, type Say } from '../native/attachment.ts';
import { errnoText } from '../native/errno_text.ts';
import { EAGAIN, EDQUOT, ENOSPC, EPIPE, type Libc } from '../native/libc.ts';
import { Outlet } from '../native/outlet.ts';
import { EPOLLERR, EPOLLOUT, type Poller } from '../native/poller.ts';
import { NicError } from '../util/errors.ts';
import { pcapPieces } from './pcap.ts';

const { O_CREAT, O_EXCL, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;
/** Records that wait for a slow reader. */
const WAITING_BYTES = 1 << 20;
const FULL: ReadonlySet<number> = new Set([ENOSPC, EDQUOT]);

/** An open capture: a regular file, or something that is read while it is written. */
interface Target {
  readonly fd: number;
  readonly outlet: Outlet;
  readonly kind: 'file' | 'stream';
}

export class CaptureFile {
  readonly attachment: Attachment;
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly path: string;
  private target: Target | null = null;
  /** Bytes of a regular file that are whole records. */
  private wholeBytes = 0;
  private pieceBytes = 0;
  private readonly isFifo: boolean;
  /** Events of a FIFO that are waited for; null while it is not in the poller. */
  private watched: number | null = null;

  /** Throws NicError WIRE where the file cannot be written. A FIFO that nobody reads is waited for. */
  constructor(libc: Libc, poller: Poller, path: string, say: Say) {
    this.libc = libc;
    this.poller = poller;
    this.path = path;
    this.attachment = new Attachment(`pcap:${path}`, say);
    this.isFifo = statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
    let problem = this.open(O_CREAT | O_TRUNC);
    if (problem === 'ENXIO' && this.isFifo) {
      this.attachment.await('nobody reads the FIFO yet');
      return;
    }
    const reason = this.target?.outlet.flush() ?? 0;
    if (reason !== 0) problem = errnoText(reason);
    if (problem !== null) {
      this.release();
      throw new NicError(
        'WIRE',
        `pcap:${path}: the file cannot be written (${problem}); check the path and its rights`,
      );
    }
    this.flush(this.target!);
  }

  /** Adds a frame; false where it is not recorded. `ms` is since 1970. */
  record(bytes: Uint8Array, ms: number): boolean {
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = Math.floor((ms - seconds * 1000) * 1e6);
    const [, piece] = pcapPieces([{ seconds, nanoseconds, bytes }]);
    if (this.write(piece!)) return true;
    this.attachment.dropped++;
    return false;
  }

  tend(nowMs: number): void {
    const { target, attachment } = this;
    if (target === null) {
      attachment.retry(nowMs, () => this.beginAgain(nowMs));
      return;
    }
    attachment.retry(nowMs, () => this.flush(target));
    if (target.kind === 'file' && isRemoved(target.fd)) {
      this.release();
      attachment.lose('the file was removed; a new one is begun', nowMs);
    }
  }

  close(): void {
    this.release();
  }

  private write(piece: Uint8Array): boolean {
    const { target } = this;
    if (target === null) return false;
    // a file has one record on its way at most: the one that a full file system has cut
    if (target.kind === 'file' && !target.outlet.isEmpty) return false;
    if (!target.outlet.put(piece)) return false;
    this.pieceBytes = piece.length;
    this.flush(target);
    return true;
  }

  private flush(target: Target, line = 'there is room again'): void {
    const reason = target.outlet.flush();
    if (reason === 0) {
      this.wholeBytes += this.pieceBytes;
      this.pieceBytes = 0;
      this.attachment.restore(line);
    } else if (FULL.has(reason)) {
      this.attachment.lose(`${errnoText(reason)}; frames are not recorded until there is room`);
    } else if (reason === EPIPE && this.isFifo) {
      this.loseReader();
      return;
    } else if (reason !== EAGAIN) {
      this.attachment.end(`${errnoText(reason)}; nothing more is recorded`);
      this.release();
      return;
    }
    if (this.isFifo) this.watch(target.fd, reason === EAGAIN ? EPOLLOUT : 0);
  }

  /** A FIFO says when its reader is gone, and when it takes more. */
  private watch(fd: number, events: number): void {
    if (this.watched === events) return;
    if (this.watched === null) this.poller.add(fd, (ready) => this.ready(ready), events);
    else this.poller.modify(fd, events);
    this.watched = events;
  }

  private ready(events: number): void {
    if ((events & EPOLLERR) !== 0) this.loseReader();
    else if (this.target !== null) this.flush(this.target);
  }

  private loseReader(): void {
    this.release();
    this.attachment.lose('nobody reads the FIFO any more; recording goes on when somebody does');
  }

  private beginAgain(nowMs: number): void {
    // what lies at the path now is not ours to cut
    const problem = this.open(this.isFifo ? 0 : O_CREAT | O_EXCL);
    if (problem === null) this.flush(this.target!, 'recording again, in a new capture');
    else if (!this.isFifo)
      this.attachment.lose(`no new file can be begun (${problem}); frames are not recorded`, nowMs);
  }

  /** Opens the file and puts its header on the way: null, or the name of the error. */
  private open(flags: number): string | null {
    let fd: number;
    try {
      fd = openSync(this.path, O_WRONLY | O_NONBLOCK | flags, 0o666);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
    const stat = fstatSync(fd);
    if (this.isFifo && !stat.isFIFO()) {
      closeSync(fd);
      return 'EEXIST';
    }
    const [header] = pcapPieces([]);
    this.target = { fd, kind: stat.isFile() ? 'file' : 'stream', outlet: new Outlet(this.libc, fd, WAITING_BYTES) };
    this.target.outlet.put(header!);
    this.wholeBytes = 0;
    this.pieceBytes = header!.length;
    return null;
  }

  private release(): void {
    const { target } = this;
    this.target = null;
    if (target === null) return;
    if (this.watched !== null) this.poller.remove(target.fd);
    this.watched = null;
    try {
      if (target.kind === 'file' && !target.outlet.isEmpty) ftruncateSync(target.fd, this.wholeBytes);
    } catch {
      // the file stays cut: its file system refuses everything
    }
    closeSync(target.fd);
  }
}

/** Nobody can find the file any more. */
function isRemoved(fd: number): boolean {
  try {
    return fstatSync(fd).nlink === 0;
  } catch {
    return false; // a write will say what is wrong
  }
}
