// SPDX-License-Identifier: Apache-2.0
// VERSION: what the client proposes, and the answer, which is never more than was proposed.
import { MAX_MESSAGE_FDS } from '../native/unix_socket.ts';
import { VfioError } from '../util/errors.ts';
import { MAX_DMA_MAPS } from './dma_map.ts';
import {
  MAX_DATA_XFER_BYTES,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  VERSION_DATA,
  VERSION_MAJOR,
  VERSION_MINOR,
} from './protocol.ts';

const PAGE_BYTES = 4096;

/** What the two ends agreed on. */
export interface Negotiated {
  /** Most bytes of data in a message to the client. */
  readonly maxDataXferBytes: number;
  /** JSON of the reply, with its NUL; empty where the client sent none. */
  readonly reply: Uint8Array;
}

/** Limits that are numbers, with ours. */
const LIMITS: Readonly<Record<string, number>> = {
  max_msg_fds: MAX_MESSAGE_FDS,
  max_data_xfer_size: MAX_DATA_XFER_BYTES,
  max_dma_maps: MAX_DMA_MAPS,
};

/** Reads the client's proposal. Throws VfioError EINVAL where it cannot be accepted. */
export function negotiate(payload: DataView): Negotiated {
  if (payload.byteLength < VERSION_DATA) throw new VfioError('EINVAL', 'a version message without a version');
  const major = payload.getUint16(VERSION_MAJOR, true);
  if (major !== PROTOCOL_MAJOR)
    throw new VfioError('EINVAL', `major version ${major}; ${PROTOCOL_MAJOR} is spoken here`);
  const proposed = readCapabilities(payload);
  const agreed: Record<string, unknown> = {};
  for (const [name, ours] of Object.entries(LIMITS)) {
    const theirs = proposed[name];
    if (theirs === undefined) continue;
    if (typeof theirs !== 'number' || !Number.isInteger(theirs) || theirs < 0) {
      throw new VfioError('EINVAL', `capability ${name} = ${JSON.stringify(theirs)} is no whole number`);
    }
    agreed[name] = Math.min(ours, theirs);
  }
  const { pgsizes, write_multiple: isMulti } = proposed;
  if (pgsizes !== undefined) {
    // numbers above 2^31 keep their low bits in this test
    if (typeof pgsizes !== 'number' || !Number.isInteger(pgsizes) || (pgsizes & PAGE_BYTES) === 0) {
      throw new VfioError(
        'EINVAL',
        `capability pgsizes = ${JSON.stringify(pgsizes)} lacks pages of ${PAGE_BYTES} bytes`,
      );
    }
    agreed['pgsizes'] = PAGE_BYTES;
  }
  if (isMulti === true) agreed['write_multiple'] = true;
  const theirTransfer = agreed['max_data_xfer_size'];
  return {
    maxDataXferBytes: typeof theirTransfer === 'number' ? theirTransfer : MAX_DATA_XFER_BYTES,
    reply:
      payload.byteLength === VERSION_DATA
        ? new Uint8Array(0)
        : new TextEncoder().encode(`${JSON.stringify({ capabilities: agreed })}\0`),
  };
}

/** Writes the reply. */
export function fillVersion(payload: DataView, { reply }: Negotiated): void {
  payload.setUint16(VERSION_MAJOR, PROTOCOL_MAJOR, true);
  payload.setUint16(VERSION_MINOR, PROTOCOL_MINOR, true);
  new Uint8Array(payload.buffer, payload.byteOffset + VERSION_DATA, reply.length).set(reply);
}

function readCapabilities(payload: DataView): Readonly<Record<string, unknown>> {
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset + VERSION_DATA, payload.byteLength - VERSION_DATA);
  if (bytes.length === 0) return {};
  if (bytes.at(-1) !== 0) throw new VfioError('EINVAL', 'the version data does not end in NUL');
  let data: unknown;
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, -1)));
  } catch {
    throw new VfioError('EINVAL', 'the version data is no JSON');
  }
  if (!isObject(data)) throw new VfioError('EINVAL', 'the version data is no JSON object');
  const { capabilities = {} } = data;
  if (!isObject(capabilities)) throw new VfioError('EINVAL', 'the capabilities are no JSON object');
  return capabilities;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
