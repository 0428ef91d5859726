// SPDX-License-Identifier: Apache-2.0
// Two drivers at work, one of them through iommufd: which pages the card writes when a frame arrives, an access on the
// same memory, and what becomes of a frame when the memory is taken away.
import { VirtioModern, VirtioNet } from '../src/guest/index.ts';
import { FunctionPort, IommufdContext, Machine } from '../src/index.ts';

const machine = new Machine({ totalVfs: 2 });
const { nic } = machine;
const peer = machine.startModern(1);

// VF 2: the driver's memory is the guest window from 0x400000 on, at addresses that an IOAS gives it.
const vf = machine.openVf(2);
const memory = machine.memoryFor(vf);
const iova = memory.iova(0);
const iommufd = new IommufdContext(nic);
const ioas = iommufd.ioasAlloc();
const source = { window: iova - 0x1_0000_0000 };
iommufd.ioasMap(ioas, { iova, length: memory.size, source, read: true, write: true });
const device = iommufd.bind(new FunctionPort(nic, 2)); // blocked, until it is attached
const pages = iommufd.hwptAlloc({ device: device.id, pt: ioas, dirtyTracking: true });
device.attach(pages);
const driver = new VirtioNet(new VirtioModern(vf), memory, machine.clock);
driver.start();

function send(): void {
  const frame = new Uint8Array(60);
  frame.set(driver.mac, 0);
  frame.set(peer.mac, 6);
  peer.send(frame);
  machine.settle();
}

iommufd.hwptSetDirtyTracking(pages, true);
send();
const bitmap = new Uint8Array(memory.size / 4096 / 8);
iommufd.hwptGetDirtyBitmap(pages, { iova, length: memory.size, pageSize: 4096, bitmap });
const dirty = [...bitmap].reduce((count, byte) => count + byte.toString(2).replaceAll('0', '').length, 0);
console.log(`a frame makes ${dirty} of ${memory.size / 4096} pages dirty: a buffer and the used ring`);

// An access on the same IOAS: somebody without DMA who keeps pages, and is asked to let go.
const access = iommufd.createAccess({
  unmap: (from, length) => {
    console.log(`${length} bytes at 0x${from.toString(16)} are going: unpinned`);
    access.unpinPages(iova, 4096);
  },
});
access.attach(ioas);
access.pinPages(iova, 4096);

const before = nic.now();
send();
iommufd.ioasUnmapAll(ioas);
send();
const { faults } = iommufd.takeFaults();
const isOfVf2 = faults.length > 0 && faults.every((fault) => fault.device === device && fault.cycle > before);
console.log(isOfVf2 ? `faults of VF 2 after cycle ${before}, none of VF 1` : 'no faults');
for (const { requesterId, isWrite } of faults.slice(0, 1)) {
  console.log(`the first: requester 0x${requesterId.toString(16)} ${isWrite ? 'writes' : 'reads'}`);
}

access.destroy();
iommufd.close();
console.log(`${iommufd.objectCount} objects are left`);
