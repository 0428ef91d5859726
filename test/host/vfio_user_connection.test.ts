// SPDX-License-Identifier: Apache-2.0
// Messages cut out of a stream, without a kernel below: what a size that cannot be does to the rest.
import { describe, expect, it } from 'vitest';

import { FakeSocket, FakeSystem } from '../../src/fuzz/targets/fake_system.ts';
import { Connection } from '../../src/vfio_user/connection.ts';
import { SocketDma } from '../../src/vfio_user/dma_messages.ts';

const DMA_READ = 11;

/** id u16, command u16, size u32, flags u32, error u32. */
function header(id: number, command: number, size: number, flags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(0, id, true);
  view.setUint16(2, command, true);
  view.setUint32(4, size, true);
  view.setUint32(8, flags, true);
  return new Uint8Array(view.buffer);
}

function setup() {
  const system = new FakeSystem();
  const socket = new FakeSocket(system);
  return { socket, connection: new Connection(system, socket) };
}

describe('a stream', () => {
  it('has messages in the order of their arrival, each when it is whole', () => {
    const { socket, connection } = setup();
    socket.push(header(1, 4, 16));
    socket.push(header(2, 4, 20));
    connection.receive();
    connection.receive();

    expect(connection.next()).toMatchObject({ id: 1, isPossible: true });
    expect(connection.next()).toBeNull();

    socket.push(new Uint8Array(4));
    connection.receive();
    expect(connection.next()).toMatchObject({ id: 2, isPossible: true });
  });

  it.each([0, 15, 1048576 + 33, 0xffffffff])('VFU-01: ends with a message of %i bytes', (size) => {
    const { socket, connection } = setup();
    socket.push(header(1, 4, size));
    socket.push(header(2, 4, 16));
    connection.receive();
    connection.receive();

    expect(connection.next()).toMatchObject({ id: 1, isPossible: false });
    expect(connection.next()).toBeNull();
  });

  it('VFU-01: an answer of an impossible size to a request for memory is no answer, and the rest is not read', () => {
    const { socket, connection } = setup();
    socket.onBytes = (bytes) => {
      socket.push(header(bytes[0]! + bytes[1]! * 256, DMA_READ, 3, 1));
      socket.push(header(9, 4, 16));
    };
    const late = { put: () => {}, end: () => {} };
    const dma = new SocketDma(
      connection,
      4096,
      () => late,
      () => {},
    );
    dma.beginRead().ask(0x1000, 4, 0);
    connection.receive();
    connection.receive();

    expect(connection.next()).toMatchObject({ command: DMA_READ, isPossible: false });
    expect(connection.next()).toBeNull();
  });
});
