// SPDX-License-Identifier: Apache-2.0
// Where the virtio structures lie: virtio 1.4 §4.1.4 "Virtio Structure PCI Capabilities", §4.1.4.4 for notifications.
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { virtioCapabilities, virtioStructure } from '../support/capability_walk.ts';
import { Card } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { eachFunction, eachPath } from '../support/modes.ts';
import { DEVICE_CONFIG, ISR, NOTIFY, VIRTIO_BAR } from '../../support/registers.ts';

const COMMON_CFG = 1;
const NOTIFY_CFG = 2;
const ISR_CFG = 3;
const DEVICE_CFG = 4;
const PCI_CFG = 5;

eachFunction((fn) => {
  const card = (): Card => new Card({ pfQueuePairs: 8, vfQueuePairs: 4 }).enableVfs(2);

  describe(requirement('PCI-CAP-01'), () => {
    eachPath((kind) => {
      it('cap_len is 16, for notification and PCI configuration access 20', () => {
        const lengths = virtioCapabilities(card().path(kind, fn)).map(({ cfgType, capLen }) => [cfgType, capLen]);

        expect(lengths).toEqual([
          [COMMON_CFG, 16],
          [NOTIFY_CFG, 20],
          [ISR_CFG, 16],
          [DEVICE_CFG, 16],
          [PCI_CFG, 20],
        ]);
      });
    });
  });

  describe(requirement('PCI-CAP-03'), () => {
    it('there is one structure of each type, so the first one is the best', () => {
      const types = virtioCapabilities(card().direct(fn)).map(({ cfgType }) => cfgType);

      expect(new Set(types).size).toBe(types.length);
    });
  });

  describe(requirement('PCI-COMMON-01'), () => {
    it('the offset of the common configuration is a multiple of 4', () => {
      expect(virtioStructure(card().direct(fn), COMMON_CFG).offset % 4).toBe(0);
    });
  });

  describe(requirement('PCI-COMMON-02'), () => {
    it('there is a common configuration of 64 bytes at offset 0 of BAR 2, with room for admin_queue_num', () => {
      expect(virtioStructure(card().direct(fn), COMMON_CFG)).toMatchObject({ bar: VIRTIO_BAR, offset: 0, length: 64 });
    });
  });

  describe(requirement('PCI-NOTIFY-01'), () => {
    it('there is a notification structure in BAR 2', () => {
      expect(virtioStructure(card().direct(fn), NOTIFY_CFG)).toMatchObject({ bar: VIRTIO_BAR, offset: NOTIFY });
    });
  });

  describe(requirement('PCI-NOTIFY-02'), () => {
    it('the notification offset is even', () => {
      expect(virtioStructure(card().direct(fn), NOTIFY_CFG).offset % 2).toBe(0);
    });
  });

  describe(requirement('PCI-NOTIFY-03'), () => {
    it('notify_off_multiplier is 4, good in either reading of "even power of 2"', () => {
      const path = card().direct(fn);

      expect(path.configRead(virtioStructure(path, NOTIFY_CFG).at + 16, 4)).toBe(4);
    });
  });

  describe(requirement('PCI-NOTIFY-04'), () => {
    it('the notification structure has at least 2 bytes', () => {
      expect(virtioStructure(card().direct(fn), NOTIFY_CFG).length).toBeGreaterThanOrEqual(2);
    });
  });

  describe(requirement('PCI-NOTIFY-05'), () => {
    it('the notification structure holds the doorbells of the largest configuration: 8 pairs, control and admin', () => {
      expect(virtioStructure(card().direct(fn), NOTIFY_CFG).length).toBeGreaterThanOrEqual(4 * (2 * 8 + 2));
    });
  });

  describe(requirement('PCI-NOTIFY-06'), () => {
    it('every queue has its doorbell of 2 bytes inside the structure', () => {
      const path = card().direct(fn);
      const common = new CommonConfig(path);
      const { length } = virtioStructure(path, NOTIFY_CFG);
      const queues = common.read('num_queues') + (fn === 0 ? 1 : 0);

      for (let queue = 0; queue < queues; queue++) {
        expect(common.readQueue(queue, 'queue_notify_off') * 4 + 2).toBeLessThanOrEqual(length);
      }
    });
  });

  describe(requirement('PCI-ISR-01'), () => {
    it('there is an ISR structure of at least one byte', () => {
      const isr = virtioStructure(card().direct(fn), ISR_CFG);

      expect(isr).toMatchObject({ bar: VIRTIO_BAR, offset: ISR });
      expect(isr.length).toBeGreaterThanOrEqual(1);
    });
  });

  describe(requirement('PCI-DEVCFG-01'), () => {
    it('the offset of the device configuration is a multiple of 4', () => {
      expect(virtioStructure(card().direct(fn), DEVICE_CFG).offset % 4).toBe(0);
    });
  });

  describe(requirement('PCI-TEXT-05'), () => {
    it('there is a device configuration that reaches at least to the end of mtu', () => {
      const device = virtioStructure(card().direct(fn), DEVICE_CFG);

      expect(device).toMatchObject({ bar: VIRTIO_BAR, offset: DEVICE_CONFIG });
      expect(device.length).toBeGreaterThanOrEqual(12);
    });
  });

  describe(requirement('PCI-CFGACC-01'), () => {
    it('there is a PCI configuration access capability', () => {
      expect(virtioStructure(card().direct(fn), PCI_CFG).capLen).toBe(20);
    });
  });

  describe(requirement('PCI-BUS-01'), () => {
    it('no two structures overlap and all lie inside BAR 2', () => {
      const found = virtioCapabilities(card().direct(fn)).filter(({ cfgType }) => cfgType !== PCI_CFG);
      const byOffset = found.toSorted((one, other) => one.offset - other.offset);

      byOffset.forEach(({ offset, length }, i) => {
        expect(offset + length).toBeLessThanOrEqual(byOffset[i + 1]?.offset ?? 16384);
      });
    });
  });
});

describe(requirement('PCI-MSIX-01'), () => {
  it.each([
    [0, 0x004],
    [2, 0x003],
  ])('function %i has a Table Size field of %i, so between 2 and 2048 vectors', (fn, field) => {
    const { configRead } = new Card().enableVfs(2).direct(fn);

    expect(configRead(0x4a, 2) & 0x7ff).toBe(field);
  });
});

describe(requirement('PCI-MSIX-02'), () => {
  it('Table Size is the number of vectors asked for, less one', () => {
    const card = new Card({ pfVectors: 9, vfVectors: 2 }).enableVfs(1);

    expect(card.direct(0).configRead(0x4a, 2) & 0x7ff).toBe(8);
    expect(card.direct(1).configRead(0x4a, 2) & 0x7ff).toBe(1);
  });
});

describe(requirement('PCI-MSIX-03'), () => {
  it('there is one vector for each queue and one for the configuration, no more', () => {
    const card = new Card({ vfQueuePairs: 3 }).enableVfs(1);
    const queues = new CommonConfig(card.direct(1)).read('num_queues');

    expect((card.direct(1).configRead(0x4a, 2) & 0x7ff) + 1).toBe(queues + 1);
  });
});
