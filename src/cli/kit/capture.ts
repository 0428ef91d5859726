// SPDX-License-Identifier: Apache-2.0
// The capture that comes with the program: ping and HTTP between two machines.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { NicError } from '../../util/errors.ts';

/**
 * Where the capture lies, seen from the bundle: in the package, whose dist/ has the checkout's shape, or beside dist/ where
 * it was not copied. The second place is that of this file in the checkout, too.
 */
const CAPTURE_PLACES = ['../../test/fixtures/ping_http.pcap', '../../../test/fixtures/ping_http.pcap'];

/** Path of the bundled capture. Throws NicError CAPTURE_MISSING. */
export function bundledCapture(): string {
  const places = CAPTURE_PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) {
    throw new NicError('CAPTURE_MISSING', `${places[0]} is not there; replay a capture of your own with virtfn replay`);
  }
  return found;
}
