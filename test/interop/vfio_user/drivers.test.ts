// SPDX-License-Identifier: Apache-2.0
// Drivers over the socket: two functions of one card, each with a client of its own, through the card's switch; memory
// that the server maps, or reads and writes as a file.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Sharing } from '../../../src/vfio_user/client_memory.ts';
import { frame, startStation } from './support/driver_bench.ts';
import { Served } from './support/served.ts';

const MSIX = 2;
const CONFIG = 7;
const FRAMES = 300;

let served: Served;
afterEach(() => served.close());

describe.each<[string, 'modern' | 'legacy', Sharing]>([
  ['modern drivers, memory that is mapped', 'modern', 'sealed'],
  ['modern drivers, memory in a file that may shrink', 'modern', 'unsealed'],
  ['legacy drivers on transitional functions, memory that is mapped', 'legacy', 'sealed'],
])('%s', (_what, kind, sharing) => {
  beforeEach(async () => {
    served = await Served.start({ transitional: kind === 'legacy' });
  });

  it('carry frames from one function to the other and back, in order and unaltered', () => {
    const a = startStation(served.libc, served.device(1), kind, sharing);
    const b = startStation(served.libc, served.device(2), kind, sharing);
    const sent: Uint8Array[] = [];
    for (let i = 0; i < FRAMES; i++) {
      const one = frame(b.driver.mac, a.driver.mac, 64 + i * 4);
      one[20] = i;
      sent.push(one);
      a.driver.send(one);
      a.settle();
      b.settle();
    }
    b.driver.send(frame(a.driver.mac, b.driver.mac, 1514));
    b.settle();
    a.settle();

    expect(b.received).toHaveLength(FRAMES);
    expect(b.received).toEqual(sent);
    expect(a.received).toEqual([frame(a.driver.mac, b.driver.mac, 1514)]);
  });

  it('have the addresses of VF 1 and VF 2', () => {
    const stations = [1, 2].map((vf) => startStation(served.libc, served.device(vf), kind, sharing));

    expect(stations.map(({ driver }) => [...driver.mac])).toEqual([
      [2, 0x76, 0x66, 0, 0, 1],
      [2, 0x76, 0x66, 0, 0, 2],
    ]);
  });

  it('start again after their client has gone without a word', () => {
    const first = startStation(served.libc, served.device(1), kind, sharing);
    first.client.close();
    const a = startStation(served.libc, served.device(1), kind, sharing);
    const b = startStation(served.libc, served.device(2), kind, sharing);

    a.driver.send(frame(b.driver.mac, a.driver.mac));
    a.settle();
    b.settle();

    expect(b.received).toHaveLength(1);
  });
});

describe('memory', () => {
  beforeEach(async () => {
    served = await Served.start();
  });

  it('that is unmapped is out of reach: the frame is not sent, and the card says so', () => {
    const a = startStation(served.libc, served.device(1));
    const b = startStation(served.libc, served.device(2));
    const faults = (): number => served.machine.nic.counters()['dma_faults']!;
    const before = faults();
    a.client.unmap(a.memory);

    a.driver.send(frame(b.driver.mac, a.driver.mac));
    a.settle();
    b.settle();

    expect(faults()).toBeGreaterThan(before);
    expect(b.received).toEqual([]);
  });

  it('is not touched while the function is no bus master', () => {
    const a = startStation(served.libc, served.device(1));
    const b = startStation(served.libc, served.device(2));
    a.client.write(CONFIG, 4, 2, 0x0002);

    a.driver.send(frame(b.driver.mac, a.driver.mac));
    a.settle();
    b.settle();

    expect(b.received).toEqual([]);
  });

  it('in a file that shrinks ends neither the server nor its other clients', () => {
    const a = startStation(served.libc, served.device(1), 'modern', 'unsealed');
    const b = startStation(served.libc, served.device(2));
    served.libc.ftruncate(a.memory.fd, 0);

    b.driver.send(frame(a.driver.mac, b.driver.mac));
    b.settle();

    expect(b.client.info().numRegions).toBe(9);
  });
});

describe('interrupts', () => {
  beforeEach(async () => {
    served = await Served.start();
  });

  it('that are raised while the client changes its vectors arrive with the new eventfds', () => {
    const a = startStation(served.libc, served.device(1));
    const b = startStation(served.libc, served.device(2));
    const raised: number[] = [];
    b.client.disableIrqs(MSIX);
    a.driver.send(frame(b.driver.mac, a.driver.mac));
    a.settle();

    const handlers = Array.from({ length: 4 }, () => (vector: number) => raised.push(vector));
    b.client.setIrqs(MSIX, 0, handlers);
    b.client.takeIrqs();

    expect(raised).toHaveLength(1);
  });
});
