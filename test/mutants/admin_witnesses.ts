// SPDX-License-Identifier: Apache-2.0
// Witnesses of bugs in administration commands, legacy access, the control queue and the switch.
import type { CreateOptions } from '../../src/device/nic.ts';
import {
  AdminQueue,
  header,
  INVALID_FIELD,
  INVALID_GROUP,
  INVALID_MEMBER,
  INVALID_OPCODE,
  LIST_QUERY,
  LIST_USE,
  PATTERN,
  SRIOV_GROUP,
  type Answer,
} from '../support/admin_queue.ts';
import { Card } from '../conformance/support/card.ts';
import { COMMON_READ, LegacyCommands, NOTIFY_INFO } from '../conformance/support/legacy_commands.ts';
import { Port } from '../conformance/net/support/port.ts';
import { frame, HEADER, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import { F, NOTIFY, VIRTIO_BAR } from '../support/registers.ts';
import { cardOf, type Witness, type Witnesses } from './witness.ts';

const CONTROL = 2;

/** The admin queue of a card with two of its four VFs enabled. */
function adminOf(core: CreateOptions, mode: 'functional' | 'timed' = 'functional'): AdminQueue {
  return new AdminQueue(new Card({ mode }, core).enableVfs(2));
}

/** A command that is refused with this status and qualifier. */
function refused(status: readonly number[], command: (admin: AdminQueue) => Answer): Witness {
  return { right: `status ${status.join()}`, run: (core) => `status ${command(adminOf(core)).status.join()}` };
}

export const ADMIN_WITNESSES: Witnesses = {
  M45: {
    right: 'used length 4',
    run: (core) => `used length ${adminOf(core).send(header(LIST_QUERY, SRIOV_GROUP, 0), 4).length}`,
  },
  M46: {
    right: 'status is there with the used index: true',
    run(core) {
      const admin = adminOf(core, 'timed');
      const { nic } = admin.card;
      const { at } = admin.add(header(LIST_QUERY, SRIOV_GROUP, 0), 16);
      nic.write(0, VIRTIO_BAR, NOTIFY, 2, admin.index);
      while (admin.ring.usedIdx === 0) nic.advance(nic.nextEventTime());
      return `status is there with the used index: ${admin.pf.memory.u8[at] !== PATTERN}`;
    },
  },
  M47: refused(INVALID_MEMBER, (admin) => admin.useAll().command(NOTIFY_INFO, SRIOV_GROUP, 3, [], 32)),
  M48: refused(INVALID_GROUP, (admin) => admin.command(LIST_QUERY, 7, 0, [], 8)),
  M49: refused(INVALID_OPCODE, (admin) => admin.command(COMMON_READ, SRIOV_GROUP, 1, [0], 4)),
  M50: refused(INVALID_FIELD, (admin) => admin.command(LIST_USE, SRIOV_GROUP, 0, [3, 0, 0x10, 0, 0, 0, 0, 0])),
  M51: refused(INVALID_OPCODE, (admin) => {
    admin.useAll().command(COMMON_READ, SRIOV_GROUP, 1, [18], 1);
    return admin.send([COMMON_READ, 0], 16); // group and member are missing: read as 0, the PF itself
  }),
  M52: refused(INVALID_FIELD, (admin) => new LegacyCommands(admin.useAll(), 1).readCommon(0, 16)),
  M53: refused(INVALID_FIELD, (admin) => new LegacyCommands(admin.useAll(), 1).readDevice(0, 3000)),
  M54: {
    right: 'status 0 of VF 1, 1 of VF 2',
    run(core) {
      const admin = adminOf(core).useAll();
      const [first, second] = [new LegacyCommands(admin, 1), new LegacyCommands(admin, 2)];
      second.set('device_status', 1);
      return `status ${first.get('device_status')} of VF 1, ${second.get('device_status')} of VF 2`;
    },
  },
  M55: {
    right: 'queue_address 0',
    run(core) {
      const vf = new LegacyCommands(adminOf(core).useAll(), 1);
      vf.set('queue_address', 5);
      vf.set('device_status', 0);
      return `queue_address ${vf.get('queue_address')}`;
    },
  },
  M56: {
    right: 'ack 1',
    run(core) {
      const port = new Port(cardOf(core), 1, { features: [F.CTRL_VQ, F.CTRL_RX], control: CONTROL });
      const addresses = Array.from({ length: 40 }, (_, i) => macOf(100 + i));
      return `ack ${port.setMacTable(addresses, [])}`;
    },
  },
  M57: {
    right: "0 of the neighbour's frames",
    run(core) {
      const card = cardOf(core);
      new Port(card, 1, { features: [F.CTRL_VQ, F.CTRL_RX], control: CONTROL }).setPromiscuous(true);
      const port = new Port(card, 1); // resets the function
      port.post([HEADER + 100]);
      card.arrive(frame(macOf(2), STRANGER));
      return `${port.frames().length} of the neighbour's frames`;
    },
  },
};
