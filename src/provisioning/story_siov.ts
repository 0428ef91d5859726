// SPDX-License-Identifier: Apache-2.0
// The story with functions on demand, told apart by a PASID on the requester id of the PF.
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../vfio/vfio_device.ts';
import { StoryGuest } from './story_guest.ts';
import type { Stage } from './story_stage.ts';

export function tellSiov(stage: Stage): void {
  const { host, functions } = stage;
  const { nic } = host.machine;

  const made = stage.step('create', 'host: a number', () => {
    const created = functions.create('siov');
    return ['nothing of it is on the card', created];
  });
  stage.run('configure: MAC, MTU', 'host: profile', () => {
    made.configure({ mac: '02:00:00:00:20:01', mtu: 1500 });
    const errno = stage.refusal(() => made.configure({ mtu: 1 }));
    return `as often as one likes; a bad one is refused: ${errno}`;
  });
  stage.run('enable', 'card: function; host: PASID', () => {
    const node = made.enable();
    const errno = stage.refusal(() => made.configure({ mtu: 9000 }));
    return `${node.path}, PASID ${functions.pasids.inUse}; another profile is refused: ${errno}`;
  });
  const guest = stage.step('open the node, bind it to an iommufd', 'iommufd: DEVICE for the PASID', () => {
    const user = new StoryGuest(host, made.open());
    return [`function reset; requester id of the PF, 0x${nic.routingId(0).toString(16)}`, user];
  });
  stage.run('attach to an IOAS', 'iommufd: page table for the PASID', () => {
    guest.attach();
    return `IOAS ${guest.ioas}, ${guest.context.objectCount} objects`;
  });
  stage.run('legacy driver comes up', 'guest; card: legacy registers', () => {
    const { commands } = host.machine.pf.admin;
    guest.start();
    return `${host.machine.pf.admin.commands - commands} admin commands, in a group that virtio does not have`;
  });
  stage.run('legacy traffic', 'guest memory', () => guest.exchange());
  stage.run('MSI-X vectors of another function: 4 to 6', 'host: profile', () => {
    const first = functions.create('siov');
    first.enable();
    const errno = stage.refusal(() => first.configure({ vectors: 6 }));
    first.destroy();
    const again = functions.create('siov');
    again.configure({ vectors: 6 });
    const { count } = again.enable().registered.device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX);
    stage.expect(count === 6, `it has ${count} vectors`);
    return `in place refused: ${errno}; destroyed and created anew: ${count}`;
  });
  stage.run('legacy traffic goes on', 'guest memory', () => guest.exchange());
  stage.run('destroy while it is open', 'host: caller asleep', () => {
    const text = guest.letGo(made.destroy());
    stage.expect(made.state === 'gone' && functions.pasids.inUse === 1, 'the function or its PASID is left');
    return text;
  });
}
