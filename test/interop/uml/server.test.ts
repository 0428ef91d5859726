// SPDX-License-Identifier: Apache-2.0
// Which cards and which paths a server for User Mode Linux takes, and what it leaves where it does not.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { NicConfig } from '../../../src/device/config.ts';
import { createNic, type Nic } from '../../../src/device/nic.ts';
import { Ioas } from '../../../src/iommufd/ioas.ts';
import { loadLibc, type Libc } from '../../../src/native/libc.ts';
import { Poller } from '../../../src/native/poller.ts';
import { UML_ROUTING, UmlServer, type UmlServerOptions } from '../../../src/uml/uml_server.ts';
import { openFiles } from './support/uml_bench.ts';
import { UmlKernel } from './support/uml_kernel.ts';

let libc: Libc;
let poller: Poller;
let folder: string;
beforeEach(async () => {
  libc = await loadLibc();
  poller = new Poller(libc);
  folder = mkdtempSync(join(tmpdir(), 'virtfn-uml-'));
});
afterEach(() => {
  poller.close();
  rmSync(folder, { recursive: true });
});

const card = (config: NicConfig = {}): Nic => createNic({ totalVfs: 7, ...UML_ROUTING, ...config });
const serve = (nic: Nic, options: Partial<UmlServerOptions> = {}): UmlServer =>
  new UmlServer({ libc, poller, nic, folder, ...options });

describe('a card', () => {
  it.each<[NicConfig, string]>([
    [{ totalVfs: 8 }, 'totalVfs: 8: User Mode Linux has 8 slots, one of them for the PF; take 7 or fewer'],
    [
      { routingId: 0x0100, vfStride: 1 },
      'routingId 256, vfStride 1: User Mode Linux finds functions in the slots of bus 0; create the card with ...UML_ROUTING',
    ],
    [
      { memory: 'outside' },
      "memory 'outside': the kernel's memory is mapped into the card's address spaces; leave it out",
    ],
  ])('of %j is refused', (config, text) => {
    expect(() => serve(card(config))).toThrow(expect.objectContaining({ code: 'CONFIG', message: text }) as Error);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('with 7 VFs has 8 sockets, and none when the server is closed', () => {
    const server = serve(card());
    const names = ['pf', 'vf1', 'vf2', 'vf3', 'vf4', 'vf5', 'vf6', 'vf7'];

    expect(readdirSync(folder).toSorted()).toEqual(names.map((name) => `${name}.sock`));
    expect(server.functions.map(({ name }) => name)).toEqual(names);
    server.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('without an address space to spare lets a kernel go, and keeps nothing of it', () => {
    const nic = card({ totalVfs: 1 });
    const faults: unknown[] = [];
    poller.onFault = (error) => faults.push(error);
    const server = serve(nic);
    const taken: Ioas[] = [];
    expect(() => {
      for (;;) taken.push(new Ioas(nic));
    }).toThrow(/address space/);
    const before = openFiles();
    const kernel = new UmlKernel(libc, folder, 'pf', () => void poller.poll(0));
    kernel.sendBytes(new Uint8Array(0));

    expect(kernel.isGone).toBe(true);
    expect(faults).toEqual([expect.objectContaining({ code: 'ENOSPC' })]);
    kernel.release();
    expect(openFiles()).toEqual(before);
    taken[0]!.destroy();
    expect(server.functions[0]!.isConnected).toBe(false);
    const next = new UmlKernel(libc, folder, 'pf', () => void poller.poll(0));
    expect(next.start().configRead(0, 4)).toBe(0x1041_1af4);
    next.release();
    server.close();
  });
});

describe('a path', () => {
  it.each(['a:b.sock', 'a b.sock', 'a"b.sock'])('of %s is refused: the command line cannot carry it', (name) => {
    expect(() => serve(card(), { sockets: { vf1: join(folder, name) } })).toThrow(
      /the kernel's command line carries no path with a colon, a quote or a space; choose another folder$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('that is taken is refused, and no socket of another function stays', () => {
    writeFileSync(join(folder, 'vf3.sock'), '');

    expect(() => serve(card())).toThrow(/vf3\.sock: a file that is no socket is in the way; remove it$/);
    expect(readdirSync(folder)).toEqual(['vf3.sock']);
  });
});
