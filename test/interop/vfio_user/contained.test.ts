// SPDX-License-Identifier: Apache-2.0
// A bug of ours in one client's function or in the port: it ends that one, is counted, and the others go on.
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { Faults } from '../../../src/cli/serve/faults.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { FunctionServer } from '../../../src/vfio_user/function_server.ts';
import { VfioUserClient } from '../../../src/vfio_user/client.ts';
import { Wire } from '../../../src/wire/wire_port.ts';
import { Attachment } from '../../../src/native/attachment.ts';
import { frame, startStation } from './support/driver_bench.ts';
import { Served } from './support/served.ts';

let served: Served;
afterEach(() => served.close());

/** A function with a bug in the register behind its BARs, and one in what a client's end does. */
class Broken extends VfioPci {
  override read(): number {
    throw new TypeError('a bug');
  }

  override close(): void {
    throw new TypeError('another bug');
  }
}

it('a client whose function fails is dropped, others are not; the place is free again', async () => {
  served = await Served.start();
  const lines: string[] = [];
  const faults = new Faults((line) => lines.push(line));
  const { libc, poller, machine } = served;
  poller.onFault = (error) => faults.add(error);
  const path = join(served.folder, 'broken.sock');
  const openDevice = () => new Broken(machine.nic, 1, machine.bus);
  const server = new FunctionServer({ libc, poller, nic: machine.nic, path, openDevice });
  const good = served.device(2);

  for (let i = 1; i <= 2; i++) {
    const bad = new VfioUserClient(libc, path, { pump: () => served.pump() });
    expect(() => bad.read(7, 0, 4)).toThrow('the server closed the connection');
    bad.close();
    served.pump();
    expect(server).toMatchObject({ isConnected: false, clients: i });
  }

  expect(good.read(7, 0, 4)).toBe(0x10411af4);
  expect(faults.count).toBe(4);
  expect(lines.map((line) => line.split(';')[0])).toEqual([
    'internal error, the card goes on: TypeError: a bug',
    'internal error, the card goes on: TypeError: another bug',
  ]);
  server.close();
});

it('a port that fails ends alone', async () => {
  served = await Served.start({ wire: 'host' });
  const errors: unknown[] = [];
  const attachment = new Attachment('port', () => {});
  const port = {
    attachments: [attachment],
    send: () => {
      throw new TypeError('a bug');
    },
    next: () => null,
    open: () => {},
    tend: () => {},
    close: () => {},
  };
  const wire = new Wire(served.machine.nic, port, (error) => errors.push(error));
  const a = startStation(served.libc, served.device(1));
  for (let i = 0; i < 2; i++) {
    a.driver.send(frame(Uint8Array.of(2, 0, 0, 0, 0, 0x99), a.driver.mac));
    a.settle();
  }

  expect(errors).toEqual([new TypeError('a bug')]);
  expect(wire).toMatchObject({ sent: 0, dropped: 2 });
  expect(attachment).toMatchObject({ state: 'ended', losses: 1 });
  expect(a.client.read(7, 0, 4)).toBe(0x10411af4);
});
