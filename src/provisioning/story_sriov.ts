// SPDX-License-Identifier: Apache-2.0
// The story with SR-IOV: a transitional VF under the variant driver, its legacy guest, and a second VF beside it.
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../vfio/vfio_device.ts';
import { StoryGuest } from './story_guest.ts';
import type { Stage } from './story_stage.ts';

const DRIVER = 'virtio_vfio_pci';

export function tellSriov(stage: Stage): void {
  const { host } = stage;
  const { nic } = host.machine;
  const [one, other] = [host.vf(1), host.vf(2)];

  stage.run('provision VF 1: transitional, MAC, MTU', 'card: profile of the VF', () => {
    nic.provision(1, { legacy: true, notify: 'member', mac: '02:00:00:00:10:01', mtu: 1500 });
    const { legacy, notify, mac } = nic.provisioned(1);
    stage.expect(!nic.isPresent(1) && legacy && notify === 'member', 'the profile does not read back');
    return `${mac}, doorbell in the VF's own BAR; the VF is not there yet`;
  });
  stage.run('sriov_drivers_autoprobe 0, sriov_numvfs 2', 'PF: VF Enable, NumVFs', () => {
    host.autoprobe = false;
    host.setNumVfs(2);
    stage.expect(nic.isPresent(1) && one.driver === null, 'VF 1 is not there, or has a driver');
    return `${host.numVfs} VFs, no driver; profiles are fixed now`;
  });
  stage.run('change the MTU of VF 1', 'card', () => {
    const errno = stage.refusal(() => nic.provision(1, { mtu: 9000 }));
    return `refused: ${errno}`;
  });
  stage.run(`driver_override ${DRIVER}, drivers_probe`, 'variant driver: kind, doorbell', () => {
    one.setOverride(DRIVER);
    one.probe();
    stage.expect(one.kind === 'trans-lm', `the variant driver decided for ${one.kind ?? 'nothing'}`);
    return `${one.kind}, ${one.node!.path}`;
  });
  const guest = stage.step('open the node, bind it to an iommufd', 'iommufd: DEVICE', () => {
    const made = new StoryGuest(host, one.open());
    return [`function reset; requester id ${one.lifecycle.name}`, made];
  });
  stage.run('attach to an IOAS', 'iommufd: page table', () => {
    guest.attach();
    return `IOAS ${guest.ioas}, ${guest.context.objectCount} objects`;
  });
  stage.run('legacy driver comes up', 'guest; card: legacy registers', () => {
    const { commands } = host.machine.pf.admin;
    guest.start();
    return `${host.machine.pf.admin.commands - commands} admin commands`;
  });
  stage.run('legacy traffic', 'guest memory', () => guest.exchange());
  stage.run('MSI-X vectors of VF 2: 4 to 3', 'card: pool of vectors', () => {
    const before = nic.vfVectorsInUse();
    nic.provision(2, { vectors: 3 });
    other.setOverride(DRIVER);
    other.probe();
    const { count } = other.node!.registered.device.irqInfo(VFIO_PCI_MSIX_IRQ_INDEX);
    stage.expect(count === 3 && nic.vfVectorsInUse() === before - 1, `VF 2 has ${count} vectors`);
    return `its driver finds ${count}; VF 1 was not touched`;
  });
  stage.run('legacy traffic goes on', 'guest memory', () => guest.exchange());
  stage.run('sriov_numvfs 0 while VF 1 is open', 'kernel: caller asleep', () => {
    const text = guest.letGo(host.setNumVfs(0));
    stage.expect(host.nodes.count === 0 && !nic.isPresent(1), 'a node or a VF is left');
    return text;
  });
}
