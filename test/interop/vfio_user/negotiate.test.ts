// SPDX-License-Identifier: Apache-2.0
// VERSION: the first message of a client, and what becomes of a client that gets it wrong.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { COMMAND, EINVAL, fields, header, joined, versionPayload, type Reply } from './support/raw_client.ts';
import { Served } from './support/served.ts';

let served: Served;
beforeEach(async () => {
  served = await Served.start();
});
afterEach(() => served.close());

function json({ payload }: Reply): unknown {
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset + 4, payload.byteLength - 4);
  expect(bytes.at(-1)).toBe(0);
  return JSON.parse(Buffer.from(bytes.subarray(0, -1)).toString());
}

describe('VERSION', () => {
  it('is answered with 0.0', () => {
    const { payload, error } = served.raw().request(COMMAND.VERSION, versionPayload(null));

    expect(error).toBe(0);
    expect([payload.getUint16(0, true), payload.getUint16(2, true)]).toEqual([0, 0]);
  });

  it('without data is answered without data', () => {
    expect(served.raw().request(COMMAND.VERSION, versionPayload(null)).payload.byteLength).toBe(4);
  });

  it('is answered with 0.0 where a later minor version is proposed', () => {
    const { payload } = served.raw().request(COMMAND.VERSION, versionPayload(null, 0, 7));

    expect(payload.getUint16(2, true)).toBe(0);
  });

  it('is answered with the capabilities that both ends have, and no more than proposed', () => {
    const proposed = {
      capabilities: {
        max_msg_fds: 8,
        max_data_xfer_size: 65536,
        pgsizes: 4096,
        max_dma_maps: 1000,
        write_multiple: true,
        migration: { pgsize: 4096 },
      },
    };

    expect(json(served.raw().greet(JSON.stringify(proposed)))).toEqual({
      capabilities: {
        max_msg_fds: 8,
        max_data_xfer_size: 65536,
        pgsizes: 4096,
        max_dma_maps: 1000,
        write_multiple: true,
      },
    });
  });

  it('is answered with limits of the server where the client has larger ones', () => {
    const answer = json(served.raw().greet('{"capabilities":{"max_msg_fds":253,"max_data_xfer_size":16777216}}'));

    expect(answer).toEqual({ capabilities: { max_msg_fds: 16, max_data_xfer_size: 1048576 } });
  });

  it('a second time is refused, and the connection stays', () => {
    const client = served.greeted();

    expect(client.request(COMMAND.VERSION, versionPayload('{}')).error).toBe(EINVAL);
    expect(client.isDropped()).toBe(false);
  });
});

describe('a client that begins wrongly gets EINVAL and is dropped', () => {
  it.each([
    ['with another command', COMMAND.DEVICE_GET_INFO, fields([4, 16], [4, 0], [4, 0], [4, 0])],
    ['with a command that does not exist', 99, new Uint8Array(0)],
    ['with half a version', COMMAND.VERSION, fields([2, 0])],
    ['with another major version', COMMAND.VERSION, versionPayload('{}', 1)],
    ['without the NUL of the JSON', COMMAND.VERSION, joined(fields([2, 0], [2, 0]), Buffer.from('{}'))],
    ['with an open brace', COMMAND.VERSION, versionPayload('{')],
    ['with an open quote', COMMAND.VERSION, versionPayload('"')],
    ['with bytes that are no UTF-8', COMMAND.VERSION, joined(fields([2, 0], [2, 0]), Uint8Array.of(0xff, 0xfe, 0))],
    ['with an array', COMMAND.VERSION, versionPayload('[]')],
    ['with null', COMMAND.VERSION, versionPayload('null')],
    ['with capabilities that are text', COMMAND.VERSION, versionPayload('{"capabilities":"23"}')],
    ['with max_msg_fds that is text', COMMAND.VERSION, versionPayload('{"capabilities":{"max_msg_fds":"foo"}}')],
    ['with max_msg_fds below 0', COMMAND.VERSION, versionPayload('{"capabilities":{"max_msg_fds":-1}}')],
    [
      'with max_data_xfer_size of a half',
      COMMAND.VERSION,
      versionPayload('{"capabilities":{"max_data_xfer_size":0.5}}'),
    ],
    ['with pgsizes that lack 4096', COMMAND.VERSION, versionPayload('{"capabilities":{"pgsizes":65536}}')],
  ])('%s', (_how, command, payload) => {
    const client = served.raw();

    expect(client.request(command, payload).error).toBe(EINVAL);
    expect(client.isDropped()).toBe(true);
  });

  it('with a reply', () => {
    const client = served.raw();
    client.sendBytes(joined(header(1, COMMAND.VERSION, 20, 1), versionPayload(null)));

    expect(client.receive()?.error).toBe(EINVAL);
    expect(client.isDropped()).toBe(true);
  });
});
