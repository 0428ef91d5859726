// SPDX-License-Identifier: Apache-2.0
// A TAP device of Linux as the other end of the wire: what the card sends is received by the kernel's network stack on
// that interface, and the other way round. An interface that is deleted is attached to again when there is one of its
// name; one that is down loses frames until it is up.
import { closeSync, constants, openSync } from 'node:fs';

import { Attachment, type Say } from '../native/attachment.ts';
import { errnoText } from '../native/errno_text.ts';
import {
  EAGAIN,
  EBUSY,
  EINTR,
  EINVAL,
  EIO,
  ENOBUFS,
  ENOMEM,
  EPERM,
  type Libc,
  type NativeBytes,
} from '../native/libc.ts';
import { EPOLLERR, type Poller } from '../native/poller.ts';
import { NicError } from '../util/errors.ts';
import { attachTap, isInterface, isInterfaceUp } from './tap_device.ts';
import type { WirePort } from './wire_port.ts';

const CLONE_DEVICE = '/dev/net/tun';
const NAME_MAX = 15;
const FRAME_ROOM = 1 << 16;
const NO_FD = -1;
/** What passes by itself. */
const PASSING: ReadonlySet<number> = new Set([EAGAIN, EINTR, EINVAL, ENOBUFS, ENOMEM]);

export class TapPort implements WirePort {
  readonly attachments: readonly Attachment[];
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly name: string;
  private readonly tap: Attachment;
  private readonly input: NativeBytes;
  private fd: number;
  private wake: () => void = () => {};

  /** Attaches to the interface `name`, or makes it. Throws NicError WIRE. */
  constructor(libc: Libc, poller: Poller, name: string, say: Say) {
    this.libc = libc;
    this.poller = poller;
    this.name = name;
    this.tap = new Attachment(`tap:${name}`, say);
    this.attachments = [this.tap];
    this.input = libc.bytes(FRAME_ROOM);
    const { length } = Buffer.from(name);
    if (length === 0 || length > NAME_MAX) {
      throw new NicError('WIRE', `tap:${name}: the name of an interface has 1 to ${NAME_MAX} characters`);
    }
    this.fd = this.attach();
  }

  open(wake: () => void): void {
    this.wake = wake;
    this.watch();
    this.tend(performance.now());
  }

  send(frame: Uint8Array): boolean {
    if (this.fd === NO_FD) return false;
    if (this.libc.write(this.fd, frame, frame.length) === frame.length) return true;
    const reason = this.libc.errno();
    if (reason === EIO) this.tap.lose(this.downText());
    else if (!PASSING.has(reason)) this.lose();
    return false;
  }

  next(): Uint8Array | null {
    if (this.fd === NO_FD) return null;
    const count = this.libc.read(this.fd, this.input.address, FRAME_ROOM);
    if (count > 0) return this.input.u8.subarray(0, count);
    if (count < 0 && !PASSING.has(this.libc.errno())) this.lose();
    return null;
  }

  tend(nowMs: number): void {
    if (this.fd === NO_FD) {
      this.tap.retry(nowMs, () => this.attachAgain(nowMs));
    } else if (!isInterfaceUp(this.libc, this.fd)) {
      this.tap.lose(this.downText(), nowMs);
    } else {
      this.tap.restore('the interface is up', nowMs);
    }
  }

  close(): void {
    this.detach();
  }

  private downText(): string {
    return `the interface is down and frames are lost; bring it up with: ip link set ${this.name} up`;
  }

  private watch(): void {
    this.poller.add(this.fd, (events) => {
      if ((events & EPOLLERR) !== 0) this.lose();
      else this.wake();
    });
  }

  private lose(): void {
    this.detach();
    this.tap.lose('the interface is gone; attached to again as soon as there is one of that name');
  }

  private detach(): void {
    if (this.fd === NO_FD) return;
    this.poller.remove(this.fd);
    closeSync(this.fd);
    this.fd = NO_FD;
  }

  /** Only to what is there: who deleted the interface does not want it made again. */
  private attachAgain(nowMs: number): void {
    if (!isInterface(this.libc, this.name)) return;
    try {
      this.fd = this.attach();
    } catch (error) {
      if (!(error instanceof NicError)) throw error;
      this.tap.lose(error.message);
      return;
    }
    this.watch();
    if (isInterfaceUp(this.libc, this.fd)) this.tap.restore('attached again', nowMs);
    else this.tap.lose(this.downText(), nowMs);
  }

  private attach(): number {
    const { libc, name } = this;
    let fd: number;
    try {
      fd = openSync(CLONE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
    } catch {
      throw new NicError(
        'WIRE',
        `tap:${name}: ${CLONE_DEVICE} cannot be opened; it needs the right to (root, or CAP_NET_ADMIN)`,
      );
    }
    const reason = attachTap(libc, fd, name);
    if (reason === 0) return fd;
    closeSync(fd);
    throw new NicError('WIRE', `tap:${name}: ${this.refusal(reason)}`);
  }

  private refusal(reason: number): string {
    if (reason === EBUSY) return 'another program is attached to the interface; stop it or name another';
    if (reason === EINVAL) return 'the interface is no TAP; name another';
    const remedy = `make it yours with: ip tuntap add dev ${this.name} mode tap user $USER`;
    if (reason === EPERM) return `the interface is not yours; ${remedy}`;
    return `the interface cannot be attached to: ${errnoText(reason)}; ${remedy}`;
  }
}
