// SPDX-License-Identifier: Apache-2.0
// The errors that reach a person or a calling program. A driver's mistake is device behaviour and never lands here.

/** The kernel's errno names that the vfio, iommufd and variant layers report, with Linux's numbers. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ERANGE: 34,
  EDEADLK: 35,
  EOVERFLOW: 75,
  EUSERS: 87,
  EADDRINUSE: 98,
  ENOTTY: 25,
  ENOMSG: 42,
  ETIMEDOUT: 110,
  EOPNOTSUPP: 95,
} as const;

/** Name of a Linux error number that this project uses. */
export type ErrnoName = keyof typeof ERRNO;

/** Misuse of the simulator by the program that embeds it: `code` is stable, the message names value and remedy. */
export class NicError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'NicError';
    this.code = code;
  }
}

/** A refused vfio, iommufd or variant-driver operation; `code` is the errno name, `errno` its Linux number. */
export class VfioError extends NicError {
  readonly errno: number;
  /** `errno`: the number where it is not the one of the name, as for an admin status that has no name here. */
  constructor(code: ErrnoName, message: string, errno: number = ERRNO[code]) {
    super(code, message);
    this.name = 'VfioError';
    this.errno = errno;
  }
}

/** A mistake on the command line or in an input file; the program prints the message and exits with 2. */
export class UsageError extends NicError {
  constructor(message: string) {
    super('USAGE', message);
    this.name = 'UsageError';
  }
}
