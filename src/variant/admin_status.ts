// SPDX-License-Identifier: Apache-2.0
// An admin status is a Linux error number, and reaches the VFIO user as such.
import { ERRNO, VfioError, type ErrnoName } from '../util/errors.ts';
import type { PfAdminResult } from './pf_admin.ts';

const NAMES = new Map<number, ErrnoName>(
  (Object.keys(ERRNO) as ErrnoName[]).map((name) => [ERRNO[name], name] as const),
);

/** Throws the error of a status other than 0; EIO, with that number as errno, where it has no name here. */
export function throwStatus(answer: PfAdminResult, what: string): never {
  const { status, qualifier } = answer;
  throw new VfioError(NAMES.get(status) ?? 'EIO', `${what}: admin status ${status}, qualifier ${qualifier}`, status);
}
