// SPDX-License-Identifier: Apache-2.0
// System calls that Node does not offer: sockets that carry file descriptors, shared memory, eventfds, epoll. koffi, an
// optional package, makes them; it is loaded when somebody asks, so everything else works without it. Linux only.
import { fstatSync, readlinkSync } from 'node:fs';

import { NicError } from '../util/errors.ts';

type Koffi = (typeof import('koffi'))['default'];

export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const EFD_NONBLOCK = 0x800;
export const EFD_CLOEXEC = 0x80000;
export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const F_SETFL = 4;
export const F_GETFL = 3;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SHRINK = 2;
export const O_NONBLOCK = 0x800;

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EPIPE = 32;
export const ECONNREFUSED = 111;
export const EMSGSIZE = 90;
export const ENOBUFS = 105;
export const EDQUOT = 122;

const EVENTFD_LINK = 'anon_inode:[eventfd]';

/** Address of memory, as koffi hands it out. */
export type Address = bigint;

/** Bytes with an address that stays the same for the life of the object. */
export interface NativeBytes {
  readonly u8: Uint8Array;
  readonly view: DataView;
  readonly address: Address;
}

/** The calls. Each returns what the C function returns; -1 leaves its reason in errno(). */
export interface Libc {
  errno(): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  recvmsg(fd: number, message: Address, flags: number): number;
  sendmsg(fd: number, message: Address, flags: number): number;
  sendto(
    fd: number,
    data: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  read(fd: number, data: Address | Uint8Array, length: number): number;
  write(fd: number, data: Address | Uint8Array, length: number): number;
  pread(fd: number, data: Uint8Array, length: number, offset: number): number;
  pwrite(fd: number, data: Uint8Array, length: number, offset: number): number;
  close(fd: number): number;
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): Address;
  munmap(address: Address, length: number): number;
  eventfd(value: number, flags: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array | Address | null): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epoll_wait(epoll: number, events: Address, count: number, timeoutMs: number): number;
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  /** Size of a regular file; -1 for what is none. */
  fileSize(fd: number): number;
  isEventfd(fd: number): boolean;
  /** Zeroed bytes of ours with their address. */
  bytes(length: number): NativeBytes;
  /** Mapped memory as bytes of JavaScript; at most 4 GiB. Nobody may look at them after munmap. */
  view(address: Address, length: number): Uint8Array;
}

/** The calls that a server of functions needs beside its sockets. */
export type FileCalls = Pick<
  Libc,
  | 'bytes'
  | 'close'
  | 'fcntl'
  | 'fileSize'
  | 'isEventfd'
  | 'mmap'
  | 'munmap'
  | 'pread'
  | 'pwrite'
  | 'read'
  | 'view'
  | 'write'
>;

export const MAP_FAILED: Address = 0xffff_ffff_ffff_ffffn;

/** intptr_t and size_t are numbers here: sizes stay below 2^53. */
const PROTOTYPES = [
  'int socket(int domain, int type, int protocol)',
  'int bind(int fd, const void *address, uint32_t length)',
  'int connect(int fd, const void *address, uint32_t length)',
  'int listen(int fd, int backlog)',
  'int accept4(int fd, void *address, void *length, int flags)',
  'intptr_t recvmsg(int fd, void *message, int flags)',
  'intptr_t sendmsg(int fd, const void *message, int flags)',
  'intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)',
  'intptr_t read(int fd, void *data, size_t length)',
  'intptr_t write(int fd, const void *data, size_t length)',
  'intptr_t pread(int fd, void *data, size_t length, int64_t offset)',
  'intptr_t pwrite(int fd, const void *data, size_t length, int64_t offset)',
  'int close(int fd)',
  'void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)',
  'int munmap(void *address, size_t length)',
  'int eventfd(unsigned int value, int flags)',
  'int memfd_create(const char *name, unsigned int flags)',
  'int ftruncate(int fd, int64_t length)',
  'int fcntl(int fd, int command, long argument)',
  'int ioctl(int fd, unsigned long request, void *argument)',
  'int epoll_create1(int flags)',
  'int epoll_ctl(int epoll, int operation, int fd, void *event)',
  'int epoll_wait(int epoll, void *events, int count, int timeoutMs)',
  'int poll(void *fds, unsigned long count, int timeoutMs)',
];

let loaded: Promise<Libc> | null = null;

/** The system calls. Throws NicError NATIVE where koffi is not installed or the system is not Linux. */
export function loadLibc(): Promise<Libc> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Libc> {
  if (process.platform !== 'linux') {
    throw new NicError('NATIVE', `sockets with file descriptors and eventfds need Linux; this is ${process.platform}`);
  }
  let koffi: Koffi;
  try {
    ({ default: koffi } = await import('koffi'));
  } catch {
    throw new NicError('NATIVE', 'the optional package koffi is not installed; get it with: npm install koffi');
  }
  const library = koffi.load(null);
  const calls = PROTOTYPES.map((prototype) => {
    const call = library.func(prototype);
    return [/(\w+)\(/.exec(prototype)![1]!, call] as const;
  });
  return {
    ...(Object.fromEntries(calls) as unknown as Libc),
    errno: () => koffi.errno(),
    fileSize,
    isEventfd,
    bytes: (length) => {
      const u8 = new Uint8Array(new ArrayBuffer(length));
      return { u8, view: new DataView(u8.buffer), address: koffi.address(u8) };
    },
    view: (address, length) => new Uint8Array(koffi.view(address, length)),
  };
}

function fileSize(fd: number): number {
  const file = fstatSync(fd);
  return file.isFile() ? file.size : -1;
}

function isEventfd(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === EVENTFD_LINK;
  } catch {
    return false;
  }
}
