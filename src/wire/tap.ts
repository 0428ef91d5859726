// SPDX-License-Identifier: Apache-2.0
// A TAP device of Linux as the other end of the wire: what the card sends is received by the kernel's network stack on
// that interface, and the other way round.
import { closeSync, constants, openSync } from 'node:fs';

import type { Libc, NativeBytes } from '../native/libc.ts';
import type { Poller } from '../native/poller.ts';
import { NicError } from '../util/errors.ts';
import type { WirePort } from './wire_port.ts';

const CLONE_DEVICE = '/dev/net/tun';
const TUNSETIFF = 0x400454ca;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
const IFREQ_BYTES = 40;
const NAME_MAX = 15;
const FRAME_ROOM = 1 << 16;

export class TapPort implements WirePort {
  private readonly libc: Libc;
  private readonly poller: Poller;
  private readonly fd: number;
  private readonly input: NativeBytes;

  /** Attaches to the interface `name`, or makes it. Throws NicError WIRE. */
  constructor(libc: Libc, poller: Poller, name: string) {
    this.libc = libc;
    this.poller = poller;
    this.input = libc.bytes(FRAME_ROOM);
    const request = new Uint8Array(IFREQ_BYTES);
    const bytes = Buffer.from(name);
    if (bytes.length === 0 || bytes.length > NAME_MAX) {
      throw new NicError('WIRE', `tap:${name}: the name of an interface has 1 to ${NAME_MAX} characters`);
    }
    request.set(bytes, 0);
    new DataView(request.buffer).setInt16(16, IFF_TAP | IFF_NO_PI, true);
    try {
      this.fd = openSync(CLONE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
    } catch {
      throw new NicError(
        'WIRE',
        `tap:${name}: ${CLONE_DEVICE} cannot be opened; it needs the right to (root, or CAP_NET_ADMIN)`,
      );
    }
    if (libc.ioctl(this.fd, TUNSETIFF, request) < 0) {
      const reason = libc.errno();
      closeSync(this.fd);
      throw new NicError(
        'WIRE',
        `tap:${name}: the interface cannot be attached to (errno ${reason}); make it yours with: ` +
          `ip tuntap add dev ${name} mode tap user $USER`,
      );
    }
  }

  open(wake: () => void): void {
    this.poller.add(this.fd, wake);
  }

  send(frame: Uint8Array): boolean {
    return this.libc.write(this.fd, frame, frame.length) === frame.length;
  }

  next(): Uint8Array | null {
    const count = this.libc.read(this.fd, this.input.address, FRAME_ROOM);
    return count <= 0 ? null : this.input.u8.subarray(0, count);
  }

  close(): void {
    this.poller.remove(this.fd);
    closeSync(this.fd);
  }
}
