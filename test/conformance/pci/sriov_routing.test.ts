// SPDX-License-Identifier: Apache-2.0
// Routing ids of VFs (PCI Express Base §9.2.1.2: PF + First VF Offset + (n - 1) * VF Stride), VFs that do not exist, and
// what a VF is when it comes into being again.
import { describe, expect, it } from 'vitest';

import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { Card } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { eachMode } from '../support/modes.ts';
import { TX } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';

describe('routing ids', () => {
  it.each([
    [{}, [0x0100, 0x0101, 0x0102, 0x0103, 0x0104]],
    [{ firstVfOffset: 0x80, vfStride: 2 }, [0x0100, 0x0180, 0x0182, 0x0184, 0x0186]],
    [{ routingId: 0x0300, firstVfOffset: 0x100 }, [0x0300, 0x0400, 0x0401, 0x0402, 0x0403]],
  ])('with %j they are %j', (config, routingIds) => {
    const { nic } = new Card(config).enableVfs(4);

    expect([0, 1, 2, 3, 4].map((fn) => nic.routingId(fn))).toEqual(routingIds);
    expect(routingIds.map((id) => nic.functionAt(id))).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([
    [255, 0x01ff],
    [256, 0x0200],
    [512, 0x0300],
    [1024, 0x0500],
  ])('VF %i of 1,024 from 01:00.0 on has routing id %i, beyond the bus of the PF', (vf, routingId) => {
    const { nic } = new Card({ totalVfs: 1024 }).enableVfs(1024);

    expect(nic.routingId(vf)).toBe(routingId);
    expect(nic.functionAt(routingId)).toBe(vf);
  });

  it('between VFs that a stride sets apart nobody answers', () => {
    const { nic } = new Card({ firstVfOffset: 4, vfStride: 4 }).enableVfs(4);

    expect([0x0101, 0x0103, 0x0105, 0x0107, 0x0111].map((id) => nic.functionAt(id))).toEqual([-1, -1, -1, -1, -1]);
  });

  it('nobody answers for a VF that is not enabled', () => {
    const card = new Card();
    expect(card.nic.functionAt(0x0101)).toBe(-1);

    card.enableVfs(2);

    expect(card.nic.functionAt(0x0102)).toBe(2);
    expect(card.nic.functionAt(0x0103)).toBe(-1);
  });

  it('vfio reports the routing id as requester id', () => {
    const card = new Card({ firstVfOffset: 0x10 }).enableVfs(2);

    expect(new VfioPci(card.nic, 2, card.bus).requesterId).toBe(0x0111);
  });
});

describe('a VF that does not exist', () => {
  it('answers configuration reads with all ones', () => {
    const card = new Card().enableVfs(1);

    expect(card.direct(2).configRead(0x08, 4)).toBe(0xffffffff);
    expect(card.direct(2).configRead(0x34, 1)).toBe(0xff);
  });

  it('answers memory reads with all ones', () => {
    expect(new Card().direct(1).read(2, 18, 2)).toBe(0xffff);
  });

  it('answers memory reads with all ones beside VFs that exist (CARD-01)', () => {
    expect(new Card().enableVfs(2).direct(3).read(2, 18, 2)).toBe(0xffff);
  });

  it.each([0, 2])('keeps nothing of what is written to it while there are %i others', (others) => {
    const card = new Card().enableVfs(others);
    card.direct(3).configWrite(0x04, 2, 0x0004);
    card.direct(3).write(2, 22, 2, 1);

    card.disableVfs();
    card.enableVfs(3);

    expect(card.direct(3).configRead(0x04, 2)).toBe(0);
    expect(new CommonConfig(card.direct(3)).read('queue_select')).toBe(0);
  });

  it('cannot be opened by vfio: ENODEV', () => {
    const card = new Card().enableVfs(1);

    expect(() => new VfioPci(card.nic, 2, card.bus)).toThrowError(expect.objectContaining({ code: 'ENODEV' }));
  });
});

eachMode((mode) => {
  describe('VF Enable cleared and set again', () => {
    it('makes the VF fresh: command, status, queues and MSI-X table', () => {
      const card = new Card({ mode }).enableVfs(2);
      new RawFunction(card, 2).enableMsix(2).start();

      card.disableVfs();
      card.enableVfs(2);

      const { configRead, read } = card.direct(2);
      const common = new CommonConfig(card.direct(2));
      expect(configRead(0x04, 2)).toBe(0);
      expect(configRead(0x4a, 2) & 0xc000).toBe(0);
      expect(read(4, 12, 4)).toBe(1);
      expect(common.status).toBe(0);
      expect(common.readQueue(1, 'queue_enable')).toBe(0);
      expect(common.readQueue(1, 'queue_size')).toBe(256);
    });

    it('leaves the PF as it was', () => {
      const card = new Card({ mode }).enableVfs(2);
      const pf = new RawFunction(card, 0).start();

      card.disableVfs();
      pf.transmit();

      expect(pf.status).toBe(15);
      expect(pf.ring(TX).takeUsed()).toHaveLength(1);
    });

    it('ends the work of a VF: nothing is written to memory and no interrupt comes afterwards', () => {
      const card = new Card({ mode }).enableVfs(2);
      const vf = new RawFunction(card, 2).enableMsix(2);
      vf.start({ queues: { [TX]: { vector: 1 } }, configVector: null });
      vf.card.disableVfs();
      vf.card.enableVfs(2);

      vf.addFrame();
      vf.kick(TX);

      expect(vf.ring(TX).usedIdx).toBe(0);
      expect(card.messages).toEqual([]);
    });
  });
});
