// SPDX-License-Identifier: Apache-2.0
// The card inside another simulator with events of its own. The two agree on time by one rule: ask the card when it next
// has something to do, run whichever comes first, and never let either get ahead. Frames go in and come out on the wire.
import { Machine } from '../src/index.ts';

interface Event {
  readonly cycle: number;
  readonly run: () => void;
}

const machine = new Machine({ totalVfs: 1 });
const { nic } = machine;
const events: Event[] = [];
const at = (cycle: number, run: () => void): void => {
  events.push({ cycle, run });
  events.sort((one, other) => one.cycle - other.cycle);
};

// In the card: a driver that answers each frame, addresses exchanged.
const driver = machine.startModern(1, {
  onReceive: (bytes, offset, length) => {
    const frame = bytes.slice(offset, offset + length);
    frame.copyWithin(0, 6, 12);
    frame.set(driver.mac, 6);
    driver.send(frame);
  },
});
machine.settle();

// Outside: a peer 1000 cycles of cable away, which sends a frame every 5000 cycles.
const CABLE = 1000;
const PEER = [0x02, 0, 0, 0, 0, 0x99];
const start = nic.now();
nic.onFrame((frame, _fn, time) => {
  const number = frame[14]!;
  at(time + CABLE, () => console.log(`answer ${number} reaches the peer at cycle ${nic.now() - start}`));
});
for (let number = 1; number <= 4; number++) {
  at(start + number * 5000, () => {
    const frame = Uint8Array.of(...driver.mac, ...PEER, 0x88, 0xb5, number, ...new Uint8Array(45));
    at(nic.now() + CABLE, () => console.log(`frame ${number} ${nic.receiveFrame(frame) ? 'arrives' : 'is too early'}`));
  });
}

// The loop: the card runs to the next event of either side, and stops early when it says something.
while (events.length > 0 || nic.nextEventTime() < Infinity) {
  const next = events[0]?.cycle ?? Infinity;
  nic.advance(Math.min(next, nic.nextEventTime()), true);
  while (events[0] !== undefined && events[0].cycle <= nic.now()) events.shift()!.run();
}
console.log(`${nic.counters()['wire_rx_frames']} frames in, ${nic.counters()['wire_tx_frames']} out`);
