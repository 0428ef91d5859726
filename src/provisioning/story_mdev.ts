// SPDX-License-Identifier: Apache-2.0
// The story with mediated devices, by the legacy interface of sysfs.
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../vfio/vfio_device.ts';
import { StoryGuest } from './story_guest.ts';
import type { Stage } from './story_stage.ts';

const GUID = '0aa5f6a8-54a4-4d1b-9d5c-0d3a5b1e7c01';
const OTHER = '0aa5f6a8-54a4-4d1b-9d5c-0d3a5b1e7c02';

export function tellMdev(stage: Stage): void {
  const { host, functions } = stage;
  const { nic } = host.machine;
  const { mdevs } = functions;

  const type = stage.step('choose a type', 'parent: mdev_supported_types', () => {
    const found = mdevs.supportedTypes()[0]!;
    return [`${found.id}: ${found.description}; ${found.availableInstances} available`, found];
  });
  const device = stage.step('write a GUID to create', 'mdev core: device; card: function', () => {
    const made = mdevs.create(type.id, GUID);
    stage.expect(nic.pasid(made.core!.fn) === null, 'a mediated device has no PASID');
    return [`bound at once, ${made.node!.path}; no routing id, no PASID`, made];
  });
  stage.run('write the same GUID again', 'mdev core', () => {
    const errno = stage.refusal(() => mdevs.create(type.id, GUID));
    return `refused: ${errno}`;
  });
  const guest = stage.step('open the node, bind it to an iommufd', 'iommufd: ACCESS', () => {
    const made = new StoryGuest(host, device.open());
    return ['function reset; the card is not let near memory', made];
  });
  stage.run('attach to an IOAS', 'iommufd: ACCESS on the IOAS', () => {
    guest.attach();
    return `IOAS ${guest.ioas}, ${guest.context.objectCount} objects`;
  });
  stage.run('legacy driver comes up', 'guest; card: legacy registers', () => {
    const { commands } = host.machine.pf.admin;
    guest.start();
    return `${host.machine.pf.admin.commands - commands} admin commands, in a group that virtio does not have`;
  });
  stage.run('legacy traffic', 'driver: pinned pages', () => {
    const text = guest.exchange();
    const { pinned } = device.core!.mediated!;
    stage.expect(pinned > 0, 'nothing was pinned');
    return `${text}; ${pinned} pages pinned`;
  });
  stage.run('MSI-X vectors of another device: 4 to 10', 'parent: another type', () => {
    const other = mdevs.create(type.id, OTHER);
    const errno = stage.refusal(() => nic.provision(other.core!.fn, { vectors: 10 }));
    other.remove();
    const again = mdevs.create('virtfn-net-4', OTHER);
    const { count } = again.node!.registered.device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX);
    stage.expect(count === 10, `it has ${count} vectors`);
    return `in place refused: ${errno}; removed and created with another type: ${count}`;
  });
  stage.run('legacy traffic goes on', 'driver: pinned pages', () => guest.exchange());
  stage.run('write 1 to remove while it is open', 'kernel: caller asleep', () => {
    const { core } = device;
    const text = guest.letGo(device.remove());
    stage.expect(
      core!.mediated!.pinned === 0 && !nic.isPresent(core!.fn),
      'pages are pinned, or the function is there',
    );
    return text;
  });
}
