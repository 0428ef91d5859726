// SPDX-License-Identifier: Apache-2.0
// Function level reset: PCI Express Base §6.6.2, §9.2.2.2 and §9.2.2.3 for VFs and PFs with VFs; bad-driver case R11.
import { describe, expect, it } from 'vitest';

import { enumerate } from '../../../src/device/bus.ts';
import { createNic } from '../../../src/device/nic.ts';
import { VfioPci } from '../../../src/vfio/vfio_pci.ts';
import { Card, EXPRESS, MSIX } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { eachFunction, eachMode, eachPath } from '../support/modes.ts';
import { ISR, RX, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';
import { SRIOV } from '../../support/raw_bench.ts';

const DEVCTL = EXPRESS + 0x08;
const FLR = 0x8000;

eachMode((mode) => {
  eachFunction((fn) => {
    const running = (): RawFunction =>
      new RawFunction(new Card({ mode }).enableVfs(2), fn)
        .enableMsix(3)
        .start({ queues: { [RX]: { vector: null }, [TX]: { vector: 1 } }, configVector: 0 });
    const flr = (target: RawFunction): void => {
      target.path.configWrite(DEVCTL, 2, target.path.configRead(DEVCTL, 2) | FLR);
      target.card.settle();
      if (fn === 0) target.path.configWrite(0x04, 2, 0x0002);
    };

    describe('FLR', () => {
      it('puts device_status, features, vectors and queues back', () => {
        const target = running();

        flr(target);

        const common = new CommonConfig(target.path);
        expect(common.status).toBe(0);
        expect(common.accepted()).toEqual([0, 0, 0, 0]);
        expect(common.read('config_msix_vector')).toBe(0xffff);
        expect(common.readQueue(TX, 'queue_enable')).toBe(0);
        expect(common.readQueue(TX, 'queue_size')).toBe(256);
        expect(common.readQueue(TX, 'queue_msix_vector')).toBe(0xffff);
        expect(common.readQueue(TX, 'queue_desc')).toBe(0);
      });

      it('clears bus mastering and interrupts', () => {
        const target = running();

        target.path.configWrite(DEVCTL, 2, FLR);
        target.card.settle();

        expect(target.path.configRead(0x04, 2)).toBe(0);
        expect(target.path.configRead(MSIX + 2, 2) & 0xc000).toBe(0);
      });

      it('masks every vector and forgets what was pending', () => {
        const target = running();
        target.maskVector(1, true);
        target.transmit();

        flr(target);

        expect(target.path.read(4, 12, 4)).toBe(1);
        expect(target.path.read(4, 16, 4)).toBe(0);
        expect(target.pending()).toBe(0);
      });

      it('clears ISR', () => {
        const target = running();
        target.breakQueue();

        flr(target);

        expect(target.path.read(VIRTIO_BAR, ISR, 1)).toBe(0);
      });

      it('reads back as 0: the bit does not stick', () => {
        const target = running();

        flr(target);

        expect(target.path.configRead(DEVCTL, 2) & FLR).toBe(0);
      });

      it('ends work under way: the frame is not completed afterwards', () => {
        const target = running();
        const ring = target.ring(TX);

        flr(target);
        target.addFrame();
        target.kick(TX);

        expect(ring.usedIdx).toBe(0);
        expect(target.card.messages).toEqual([]);
      });

      it('lets the function start again', () => {
        const target = running();
        target.transmit();
        flr(target);
        target.enableBusMaster();

        target.start();
        target.transmit();

        expect(target.ring(TX).takeUsed()).toHaveLength(1);
      });

      it('is counted as a reset', () => {
        const target = running();
        const before = target.card.nic.functionCounters(fn)['resets']!;

        flr(target);

        expect(target.card.nic.functionCounters(fn)['resets']).toBe(before + 1);
      });
    });
  });

  describe('FLR of a VF', () => {
    it('leaves the PF and the other VFs running', () => {
      const card = new Card({ mode }).enableVfs(3);
      const [pf, one, three] = [0, 1, 3].map((fn) => new RawFunction(card, fn, 16 << 10).start());
      new RawFunction(card, 2, 16 << 10).start();

      card.nic.configWrite(2, DEVCTL, 2, FLR);

      for (const other of [pf!, one!, three!]) {
        other.transmit();
        expect(other.status).toBe(15);
        expect(other.ring(TX).takeUsed()).toHaveLength(1);
      }
    });

    it('leaves the VF enabled at its address', () => {
      const card = new Card({ mode }).enableVfs(2);

      card.nic.configWrite(2, DEVCTL, 2, FLR);

      expect(card.nic.isPresent(2)).toBe(true);
      expect(new CommonConfig(card.direct(2)).read('num_queues')).toBe(3);
    });
  });

  describe('FLR of the PF', () => {
    it('clears VF Enable, VF MSE and NumVFs, and the VFs are gone', () => {
      const card = new Card({ mode }).enableVfs(2);

      card.nic.configWrite(0, DEVCTL, 2, FLR);
      card.settle();

      expect(card.nic.configRead(0, SRIOV + 0x08, 2)).toBe(0);
      expect(card.nic.configRead(0, SRIOV + 0x10, 2)).toBe(0);
      expect([1, 2].map((vf) => card.nic.isPresent(vf))).toEqual([false, false]);
    });

    it('puts the system page size back to 4 KiB', () => {
      const card = new Card({ mode });
      card.nic.configWrite(0, SRIOV + 0x20, 4, 0x10);

      card.nic.configWrite(0, DEVCTL, 2, FLR);
      card.settle();

      expect(card.nic.configRead(0, SRIOV + 0x20, 4)).toBe(1);
    });

    it('clears the BARs, so that nothing decodes until they are placed again', () => {
      const card = new Card({ mode });

      card.nic.configWrite(0, DEVCTL, 2, FLR);
      card.settle();

      expect(card.nic.configRead(0, 0x18, 4)).toBe(4);
      expect(card.nic.configRead(0, 0x20, 4)).toBe(4);
      expect(card.nic.decode(card.bus.pf[0]!.address)).toBeNull();
    });

    it('keeps what belongs to the hardware: ids, capabilities, TotalVFs', () => {
      const card = new Card({ mode });

      card.nic.configWrite(0, DEVCTL, 2, FLR);
      card.settle();

      expect(card.nic.configRead(0, 0x00, 4)).toBe(0x10411af4);
      expect(card.nic.configRead(0, 0x34, 1)).toBe(0x40);
      expect(card.nic.configRead(0, SRIOV + 0x0e, 2)).toBe(4);
    });
  });
});

describe('the FLR bit', () => {
  it.each([
    ['a byte', EXPRESS + 0x09, 1, 0x80],
    ['a word', DEVCTL, 2, 0x8000],
    ['a dword with device status', DEVCTL, 4, 0x0000_8000],
  ] as const)('works in an access of %s', (_what, at, size, value) => {
    const card = new Card().enableVfs(1);
    new RawFunction(card, 1).start();

    card.nic.configWrite(1, at, size, value);

    expect(new CommonConfig(card.direct(1)).status).toBe(0);
  });

  it('is not touched by a write of the low byte', () => {
    const card = new Card().enableVfs(1);
    new RawFunction(card, 1).start();

    card.nic.configWrite(1, DEVCTL, 1, 0xff);

    expect(new CommonConfig(card.direct(1)).status).toBe(15);
  });
});

eachPath((kind) => {
  it('the FLR bit through vfio or by hand resets a VF', () => {
    const card = new Card().enableVfs(2);
    new RawFunction(card, 2).start();

    card.path(kind, 2).configWrite(DEVCTL, 2, FLR);

    expect(new CommonConfig(card.direct(2)).status).toBe(0);
  });
});

describe('a user of vfio who goes', () => {
  it('VFU-03: leaves nothing of its command register to the next one', () => {
    const nic = createNic({ mode: 'functional', totalVfs: 1 });
    const bus = enumerate(nic);
    const opened = (): VfioPci => {
      const device = new VfioPci(nic, 0, bus);
      device.open();
      return device;
    };
    const first = opened();
    const found = first.read(7, 0x04, 2);
    first.write(7, 0x04, 2, 0x0547); // I/O, bus mastering, parity, SERR, INTx off
    expect(first.read(7, 0x04, 2)).not.toBe(found);
    first.close();

    expect(opened().read(7, 0x04, 2)).toBe(found);
  });
});

// what §6.6.2 exempts, and what is sticky; registers at 0x5c, 0x64, 0x7c, 0x84 and 0x148
describe('FLR of the PF', () => {
  const { configRead, configWrite } = new Card({ profileName: 'asic-gen5x16-1ghz' }).direct(0);
  configWrite(0x5c, 2, 0x5950); // 512-byte payload, 4096-byte reads, 8-bit tags, no snoop, relaxed ordering
  configWrite(0x64, 2, 0x00cb); // ASPM, RCB 128, common clock, extended synch
  configWrite(0x7c, 2, 0x1015); // range B, time-out disabled, 10-bit tags
  configWrite(0x84, 2, 0x0003); // target 8 GT/s
  configWrite(0x150, 2, 2);
  configWrite(0x148, 2, 0x0039); // VF Enable, VF MSE, ARI Capable Hierarchy, VF 10-bit tags

  configWrite(0x5c, 2, 0xd950);

  it.each([
    ['Device Control keeps Max_Payload_Size; the rest is as after power-on', 0x5c, 0x2850],
    ['Link Control keeps ASPM Control, RCB, Common Clock Configuration and Extended Synch', 0x64, 0x00cb],
    ['Device Control 2 is 0', 0x7c, 0],
    ['Link Control 2 keeps its target speed', 0x84, 0x0003],
    ['SR-IOV Control keeps ARI Capable Hierarchy, and has no VFs', 0x148, 0x0010],
    ['NumVFs is 0', 0x150, 0],
  ])('%s', (_what, at, value) => {
    expect(configRead(at, 2)).toBe(value);
  });
});

describe('FLR of a VF', () => {
  it('leaves the settings of the PF alone', () => {
    const card = new Card().enableVfs(2);
    const pf = card.direct(0);

    card.direct(2).configWrite(DEVCTL, 2, FLR);

    expect([0x5c, 0x148, 0x150].map((at) => pf.configRead(at, 2))).toEqual([0x2930, 0x0009, 2]);
  });
});

describe('VFIO_DEVICE_RESET of the PF', () => {
  it('puts Device Control and Device Control 2 back, as pci_restore_state does', () => {
    const card = new Card({ profileName: 'asic-gen5x16-1ghz' });
    const before = [0x5c, 0x7c].map((at) => card.nic.configRead(0, at, 2));

    new VfioPci(card.nic, 0, card.bus).reset();

    expect(before).toEqual([0x5950, 0x1000]);
    expect([0x5c, 0x7c].map((at) => card.nic.configRead(0, at, 2))).toEqual(before);
  });
});
