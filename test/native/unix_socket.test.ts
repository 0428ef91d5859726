// SPDX-License-Identifier: Apache-2.0
// The path of a listening socket: 107 bytes, which is what sun_path (108 bytes, unix(7)) holds in front of its NUL.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { loadLibc } from '../../src/native/libc.ts';
import { connectUnix, UnixListener } from '../../src/native/unix_socket.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtfn-socket-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('may have 107 bytes, and nothing lies beside it', async () => {
  const libc = await loadLibc();
  const name = 'b'.repeat(107 - folder.length - 1);
  const listener = new UnixListener(libc, join(folder, name));

  const client = connectUnix(libc, join(folder, name));
  const server = listener.accept();

  expect([client, server]).not.toContain(null);
  expect(readdirSync(folder)).toEqual([name]);
  client?.close();
  server?.close();
  listener.close();
  expect(readdirSync(folder)).toEqual([]);
});

it('of more is refused as it was given', async () => {
  const libc = await loadLibc();
  const path = join(folder, 'b'.repeat(108 - folder.length - 1));

  expect(() => new UnixListener(libc, path)).toThrow(`${path}: 108 bytes; the path of a socket has 107 at most`);
  expect(readdirSync(folder)).toEqual([]);
});
