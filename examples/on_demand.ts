// SPDX-License-Identifier: Apache-2.0
// Functions made one at a time, three ways, on one card: each gets a driver and an address space, and is taken away while
// its file is open.
import { VirtioNetLegacy } from '../src/guest/index.ts';
import { guestMemory, IommufdContext, Machine, OnDemandFunctions, SriovLifecycle } from '../src/index.ts';

const REQUEST_IRQ = 4;
const machine = new Machine({ totalVfs: 2, numVfs: 0, onDemandFunctions: 2 });
const { nic } = machine;
const host = new SriovLifecycle(machine);
const functions = new OnDemandFunctions(host);

for (const kind of ['sriov', 'mdev', 'siov'] as const) {
  const made = functions.create(kind);
  made.configure({ mac: '02:00:00:00:00:42' });
  const { path } = made.enable();

  const file = made.open();
  const iommufd = new IommufdContext(nic);
  const ioas = iommufd.ioasAlloc();
  const memory = guestMemory(nic, iommufd, ioas, 1 << 20);
  file.bind(iommufd);
  file.attach({ id: ioas });
  const driver = new VirtioNetLegacy(file, memory, machine.clock);
  driver.start();

  const requester = file.requesterId.toString(16);
  let frames = 0;
  nic.onFrame(() => frames++);
  driver.send(new Uint8Array(60).fill(0xff, 0, 6));
  machine.settle();
  console.log(`${kind}: ${path}, requester 0x${requester}, ${frames} frame by a legacy driver`);

  file.setIrqs(REQUEST_IRQ, 0, [() => console.log('  somebody wants it back')]);
  const call = made.destroy();
  console.log(`  destroy ${call.isDone ? 'is done' : 'sleeps'}`);
  file.close();
  console.log(`  file closed: destroy ${call.isDone ? 'is done' : 'sleeps'}, ${host.nodes.count} nodes are left`);
}
