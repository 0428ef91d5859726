// SPDX-License-Identifier: Apache-2.0
// Two VFs with modern drivers: VF 1 sends a frame, VF 2 sends it back, and the card's clock says how long that took.
import { Machine } from '../src/index.ts';

const ROUNDS = 100;
const machine = new Machine({ totalVfs: 2 });

/** An Ethernet frame of `bytes` bytes; 0x88b5 is the type for experiments. */
function frame(to: Uint8Array, from: Uint8Array, bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  data.set(to, 0);
  data.set(from, 6);
  data.set([0x88, 0xb5], 12);
  return data;
}

let received = 0;
const pong = machine.startModern(2, {
  onReceive: (bytes, offset, length) => {
    const data = bytes.slice(offset, offset + length);
    const sender = data.slice(6, 12);
    data.set(sender, 0);
    data.set(pong.mac, 6);
    pong.send(data);
  },
});
const ping = machine.startModern(1, { onReceive: () => received++ });
machine.settle();

for (const bytes of [64, 512, 1514]) {
  received = 0;
  const start = machine.nic.now();
  for (let round = 0; round < ROUNDS; round++) {
    ping.send(frame(pong.mac, ping.mac, bytes));
    machine.settle();
  }
  const ns = machine.nic.toPs(machine.nic.now() - start) / 1000;
  console.log(`${bytes} bytes: ${received} of ${ROUNDS} came back, ${(ns / ROUNDS).toFixed(0)} ns a round trip`);
}
