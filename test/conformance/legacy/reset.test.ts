// SPDX-License-Identifier: Apache-2.0
// A legacy driver resets its VF by a command, at every stage of the work; bad-driver case L06, oracles O5 and O6.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, header, OK, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card } from '../support/card.ts';
import { COMMON_WRITE, LegacyFunction } from '../support/legacy_commands.ts';
import { NOTIFY, VIRTIO_BAR } from '../../support/registers.ts';

const DELAYS = Array.from({ length: 25 }, (_, i) => 53 * i);

/** VF 1 with three frames announced `delay` cycles ago. */
function busy(delay: number): LegacyFunction {
  const admin = new AdminQueue(new Card({ mode: 'timed' }).enableVfs(2)).useAll();
  const legacy = new LegacyFunction(admin, 1).start();
  for (let i = 0; i < 3; i++) legacy.addFrame();
  const { nic } = admin.card;
  nic.write(1, VIRTIO_BAR, NOTIFY, 2, 1);
  nic.advance(nic.now() + delay);
  return legacy;
}

describe(requirement('ADM-LEG-05'), () => {
  it('once the write of status 0 is answered nothing more is written to the memory of the VF', () => {
    for (const delay of DELAYS) {
      const legacy = busy(delay);
      const { admin } = legacy.commands;
      const pending = admin.add([...header(COMMON_WRITE, SRIOV_GROUP, 1), 18, 0, 0, 0, 0, 0, 0, 0, 0], 8);
      const answers = admin.ring.usedIdx;
      admin.pf.path.write(VIRTIO_BAR, NOTIFY + 4 * admin.index, 2, admin.index);
      while (admin.ring.usedIdx === answers) admin.card.nic.advance(admin.card.nic.now() + 10);

      const before = admin.card.trace(legacy.memory);
      admin.card.settle();

      const [used] = admin.ring.takeUsed();
      expect([delay, admin.answer(pending, used!).status]).toEqual([delay, OK]);
      expect([delay, admin.card.trace(legacy.memory)]).toEqual([delay, before]);
    }
  });

  it('at any stage the VF starts again and works', () => {
    for (const delay of DELAYS) {
      const legacy = busy(delay);

      legacy.commands.set('device_status', 0);
      legacy.start();
      const head = legacy.addFrame();
      legacy.notifyByRegister(1);

      expect([delay, legacy.ring(1).takeUsed()]).toEqual([delay, [{ id: head, length: 0 }]]);
    }
  });

  it('at any stage another VF in legacy use goes on', () => {
    for (const delay of DELAYS) {
      const legacy = busy(delay);
      const other = new LegacyFunction(legacy.commands.admin, 2).start();
      for (let i = 0; i < 3; i++) other.addFrame();
      legacy.commands.admin.card.nic.write(2, VIRTIO_BAR, NOTIFY, 2, 1);

      legacy.commands.set('device_status', 0);
      legacy.commands.admin.card.settle();

      expect([delay, other.ring(1).takeUsed().length]).toEqual([delay, 3]);
    }
  });
});
