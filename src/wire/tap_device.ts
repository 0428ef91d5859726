// SPDX-License-Identifier: Apache-2.0
// A TAP interface as linux/if_tun.h has it. A persistent one keeps what the program before us set: offloads, with which it
// hands out unfinished checksums and segments of 64 KiB, filters, a queue's flag. All of that is taken back here.
import { AF_INET, EINVAL, SOCK_CLOEXEC, SOCK_DGRAM, type Libc } from '../native/libc.ts';

const TUNSETIFF = 0x400454ca;
const TUNGETIFF = 0x800454d2;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETTXFILTER = 0x400454d1;
const TUNSETSNDBUF = 0x400454d4;
const TUNDETACHFILTER = 0x401054d6;
const TUNSETSTEERINGEBPF = 0x800454e0;
const TUNSETFILTEREBPF = 0x800454e1;
const TUNSETCARRIER = 0x400454e2;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFINDEX = 0x8933;

const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_UP = 1;

// struct ifreq
const IFREQ_BYTES = 40;
const IFREQ_VALUE = 16;

const NO_PROGRAM = -1;
const SNDBUF_MAX = 0x7fffffff;

/** Attaches to a TAP or makes it, as if nobody had had it before: 0, or the errno. */
export function attachTap(libc: Libc, fd: number, name: string): number {
  const isAttached = (flags: number): boolean =>
    libc.ioctl(fd, TUNSETIFF, ifreq(name, IFF_TAP | IFF_NO_PI | flags)) >= 0;
  // no flag IFF_VNET_HDR: frames have no header before them, whatever they had
  if (!isAttached(0)) {
    if (libc.errno() !== EINVAL) return libc.errno();
    if (!isAttached(IFF_MULTI_QUEUE)) return libc.errno(); // one that was made with several queues wants to be asked so
  }
  if (libc.ioctl(fd, TUNSETOFFLOAD, null) < 0) return libc.errno(); // the argument is the number of the flags: none
  // kernels that do not know one of these have nothing to take back
  libc.ioctl(fd, TUNSETTXFILTER, new Uint8Array(4)); // struct tun_filter without addresses: everything passes
  libc.ioctl(fd, TUNDETACHFILTER, new Uint8Array(16));
  libc.ioctl(fd, TUNSETSTEERINGEBPF, int32(NO_PROGRAM));
  libc.ioctl(fd, TUNSETFILTEREBPF, int32(NO_PROGRAM));
  libc.ioctl(fd, TUNSETSNDBUF, int32(SNDBUF_MAX));
  libc.ioctl(fd, TUNSETCARRIER, int32(1));
  return 0;
}

/** True where an interface has that name. */
export function isInterface(libc: Libc, name: string): boolean {
  return onSocket(libc, false, (socket) => libc.ioctl(socket, SIOCGIFINDEX, ifreq(name)) >= 0);
}

/** False where the interface of an attached descriptor is down; by its present name. */
export function isInterfaceUp(libc: Libc, fd: number): boolean {
  const request = ifreq('');
  if (libc.ioctl(fd, TUNGETIFF, request) < 0) return true; // deleted: the next read says so
  return onSocket(libc, true, (socket) => {
    if (libc.ioctl(socket, SIOCGIFFLAGS, request) < 0) return true; // in another network namespace
    return (request[IFREQ_VALUE]! & IFF_UP) !== 0;
  });
}

/** Interfaces are asked about on any socket; `otherwise` where no descriptor is left for one. */
function onSocket(libc: Libc, otherwise: boolean, work: (socket: number) => boolean): boolean {
  const socket = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return otherwise;
  const answer = work(socket);
  libc.close(socket);
  return answer;
}

function ifreq(name: string, value = 0): Uint8Array {
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(Buffer.from(name), 0);
  new DataView(request.buffer).setInt16(IFREQ_VALUE, value, true);
  return request;
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
