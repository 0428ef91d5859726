// SPDX-License-Identifier: Apache-2.0
// Interrupts as a host routes them: each vector's table entry names an address and data, onMessage shows what the card
// wrote where, and the address picks the processor. Two vectors of one VF go to two processors.
import { Machine } from '../src/index.ts';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../src/vfio/index.ts';

const APIC = 0xfee00000; // x86: the destination stands in bits 12 to 19
const MSIX_TABLE_BAR = 4;
const RX_VECTOR = 1;
const RECEIVER = 2;

const machine = new Machine({ totalVfs: 2 });
const sender = machine.startModern(1);
const receiver = machine.startModern(RECEIVER);
console.log(`VF ${RECEIVER} has ${receiver.transport.device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX).count} vectors`);

/**
 * Sends a vector to a processor: address and data of its table entry, 16 bytes each. The table is the host's: what a user of
 * vfio writes there has no effect.
 */
function route(vector: number, processor: number): void {
  machine.nic.write(RECEIVER, MSIX_TABLE_BAR, vector * 16, 4, APIC + processor * 0x1000);
  machine.nic.write(RECEIVER, MSIX_TABLE_BAR, vector * 16 + 8, 4, 0x40 + vector);
}

const counts = new Map<string, number>();
machine.nic.onMessage(({ fn, address, data }) => {
  const processor = ((address - APIC) / 0x1000) & 0xff;
  const line = `VF ${fn}: vector 0x${data.toString(16)} at processor ${processor}`;
  counts.set(line, (counts.get(line) ?? 0) + 1);
});

for (const processor of [3, 5]) {
  route(RX_VECTOR, processor);
  for (let i = 0; i < 10; i++) {
    const frame = new Uint8Array(60);
    frame.set(receiver.mac, 0);
    frame.set(sender.mac, 6);
    sender.send(frame);
    machine.settle();
  }
}
for (const [line, count] of counts) console.log(`${line}: ${count} times`);
