// SPDX-License-Identifier: Apache-2.0
// A VF in legacy use, driven by commands alone: virtio 1.4 §2.2.3, §2.7.2, §3.1.2, §4.1.4.10 and §6.5 on legacy interfaces.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { AdminQueue, fromLe, INVALID_OPCODE, LIST_QUERY, SRIOV_GROUP } from '../../support/admin_queue.ts';
import { Card, EXPRESS } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { COMMON_READ, LegacyCommands, LegacyFunction } from '../support/legacy_commands.ts';
import { eachMode } from '../support/modes.ts';

const MAC = 1 << 5;
const MRG_RXBUF = 1 << 15;
const BROADCAST = new Uint8Array(64).fill(0xff, 0, 6);

eachMode((mode) => {
  const admin = (config = {}): AdminQueue => new AdminQueue(new Card({ mode, ...config }).enableVfs(2)).useAll();
  const legacy = (features = MAC): LegacyFunction => new LegacyFunction(admin(), 1).start(features);
  /** Receive buffer of 2 KiB in queue 0, announced; returns where it lies. */
  const receive = (target: LegacyFunction): number => {
    const at = target.memory.alloc(2048, 8);
    target.ring(0).add([{ iova: target.memory.iova(at), length: 2048, isWritable: true }]);
    target.notifyByRegister(0);
    target.commands.admin.card.nic.receiveFrame(BROADCAST);
    target.commands.admin.card.settle();
    return at;
  };

  describe(requirement('LEG-FEAT-01'), () => {
    it('a driver that never wrote VERSION_1 gets the legacy header of 10 bytes', () => {
      const target = legacy();

      const at = receive(target);

      expect(target.ring(0).takeUsed()).toEqual([{ id: 0, length: 10 + 64 }]);
      expect([...target.memory.u8.subarray(at + 10, at + 74)]).toEqual([...BROADCAST]);
    });

    it('with MRG_RXBUF the header has 12 bytes', () => {
      const target = legacy(MAC | MRG_RXBUF);

      const at = receive(target);

      expect(target.ring(0).takeUsed()).toEqual([{ id: 0, length: 12 + 64 }]);
      expect([...target.memory.u8.subarray(at + 12, at + 18)]).toEqual([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    });
  });

  describe(requirement('LEG-FEAT-02'), () => {
    it('without legacy support the commands do not exist', () => {
      const owner = admin({ legacy: false });

      expect(fromLe(owner.command(LIST_QUERY, SRIOV_GROUP, 0, [], 8).result)).toBe(0x3);
      expect(owner.command(COMMON_READ, SRIOV_GROUP, 1, [0], 4).status).toEqual(INVALID_OPCODE);
    });
  });

  describe(requirement('LEG-FEAT-03'), () => {
    it('a frame behind a header of 10 bytes leaves on the wire as it is', () => {
      const target = legacy();
      const frames: number[][] = [];
      target.commands.admin.card.nic.onFrame((frame) => frames.push([...frame]));

      target.addFrame();
      target.notifyByRegister(1);

      expect(frames).toHaveLength(1);
      expect(frames[0]).toHaveLength(60);
      expect(frames[0]!.slice(0, 6)).toEqual([0x02, 0, 0, 0, 0, 0x99]);
    });

    it('FEATURES_OK plays no part: status 7 runs the device', () => {
      const target = legacy();

      target.addFrame();
      target.notifyByRegister(1);

      expect(target.commands.get('device_status')).toBe(7);
      expect(target.ring(1).takeUsed()).toHaveLength(1);
    });

    it('FLR of the VF ends legacy use', () => {
      const target = legacy();
      const { card } = target.commands.admin;

      card.nic.configWrite(1, EXPRESS + 8, 2, 0x8000);

      expect(target.commands.get('device_status')).toBe(0);
      expect(target.commands.get('driver_features')).toBe(0);
      target.commands.set('queue_select', 1);
      expect(target.commands.get('queue_address')).toBe(0);
    });

    it('after a reset the VF can be used by its modern registers', () => {
      const target = legacy();
      target.commands.set('device_status', 0);
      const { nic } = target.commands.admin.card;

      for (const status of [1, 3]) nic.write(1, 2, 20, 1, status);
      nic.write(1, 2, 8, 4, 1);
      nic.write(1, 2, 12, 4, 0b10011);
      nic.write(1, 2, 20, 1, 11);

      expect(nic.read(1, 2, 20, 1)).toBe(11);
    });
  });

  describe(requirement('LEG-INIT-02'), () => {
    it('a frame is sent before DRIVER_OK', () => {
      const target = new LegacyFunction(admin(), 1);
      target.commands.set('device_status', 3);
      target.setupQueue(1);

      target.addFrame();
      target.notifyByRegister(1);

      expect(target.ring(1).takeUsed()).toHaveLength(1);
    });

    it('a frame is received before DRIVER_OK', () => {
      const target = new LegacyFunction(admin(), 1);
      target.commands.set('device_status', 3);
      target.setupQueue(0);

      receive(target);

      expect(target.ring(0).takeUsed()).toHaveLength(1);
    });
  });

  describe(requirement('LEG-PCILAY-04'), () => {
    it('bits 32 to 63 cannot be reached, and count as unaccepted: num_buffers is not part of the header', () => {
      const target = legacy(MAC);

      receive(target);

      expect(target.ring(0).takeUsed()[0]!.length).toBe(74);
      expect(new CommonConfig(target.commands.admin.card.direct(1)).accepted().slice(1)).toEqual([0, 0, 0]);
    });
  });

  describe(requirement('LEG-RSVFEAT-03'), () => {
    it.each([1, 2])('VF %i offers ANY_LAYOUT, bit 27', (member) => {
      expect(new LegacyCommands(admin(), member).get('device_features') & (1 << 27)).not.toBe(0);
    });

    it('a header and a frame in one descriptor or in three are the same frame', () => {
      const target = legacy();
      const { memory } = target;
      const at = memory.alloc(70, 8);
      memory.u8.set([0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00], at + 10);

      target.ring(1).add([
        { iova: memory.iova(at), length: 4 },
        { iova: memory.iova(at + 4), length: 20 },
        { iova: memory.iova(at + 24), length: 46 },
      ]);
      target.notifyByRegister(1);

      expect(target.ring(1).takeUsed()).toHaveLength(1);
      expect(target.commands.admin.card.nic.functionCounters(1)['tx_frames']).toBe(1);
    });
  });

  describe(requirement('LEG-RSVFEAT-04'), () => {
    it('bit 30 is not offered', () => {
      expect(new LegacyCommands(admin(), 1).get('device_features') & (1 << 30)).toBe(0);
    });
  });

  describe(requirement('LEG-VQ-01'), () => {
    it.each([256, 64, 16])('with %i descriptors the used ring begins at the next multiple of 4096', (queueSize) => {
      const target = new LegacyFunction(admin({ queueSize }), 1).start();

      const head = target.addFrame();
      target.notifyByRegister(1);

      const ring = target.ring(1);
      expect(ring.places.used - ring.places.desc).toBe(queueSize === 256 ? 8192 : 4096);
      expect(ring.takeUsed()).toEqual([{ id: head, length: 0 }]);
    });
  });

  describe(requirement('LEG-VQEND-01'), () => {
    it('index and element of the used ring are little-endian, as the guest is', () => {
      const target = legacy();

      target.addFrame();
      target.notifyByRegister(1);

      const { used } = target.ring(1).places;
      expect([...target.memory.u8.subarray(used, used + 12)]).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
  });
});
