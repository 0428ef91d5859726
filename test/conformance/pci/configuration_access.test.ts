// SPDX-License-Identifier: Apache-2.0
// The window through configuration space: virtio 1.4 §4.1.4.9 "PCI configuration access capability".
import { describe, expect, it } from 'vitest';

import type { AccessSize } from '../../../src/vfio/vfio_device.ts';
import { requirement } from '../requirements.ts';
import { virtioStructure } from '../support/capability_walk.ts';
import { Card } from '../support/card.ts';
import { CommonConfig } from '../support/common_config.ts';
import { eachFunction, eachMode, eachPath } from '../support/modes.ts';
import { DEVICE_CONFIG, ISR, NOTIFY, TX, VIRTIO_BAR } from '../../support/registers.ts';
import { RawFunction } from '../../support/raw_function.ts';
import type { RegisterPath } from '../../support/register_path.ts';

const PCI_CFG = 5;

/** The window of a function, pointed at `length` bytes in a BAR. */
class Window {
  private readonly path: RegisterPath;
  private readonly at: number;

  constructor(path: RegisterPath, bar: number, offset: number, length: number) {
    this.path = path;
    this.at = virtioStructure(path, PCI_CFG).at;
    path.configWrite(this.at + 4, 1, bar);
    path.configWrite(this.at + 8, 4, offset);
    path.configWrite(this.at + 12, 4, length);
  }

  read(size: AccessSize): number {
    return this.path.configRead(this.at + 16, size);
  }

  write(size: AccessSize, value: number): void {
    this.path.configWrite(this.at + 16, size, value);
  }
}

eachMode((mode) => {
  eachPath((kind) => {
    eachFunction((fn) => {
      const card = (): Card => new Card({ mode }).enableVfs(2);

      describe(requirement('PCI-CFGACC-02'), () => {
        it('a byte written through the window reaches device_status', () => {
          const path = card().path(kind, fn);

          new Window(path, VIRTIO_BAR, 20, 1).write(1, 1);

          expect(new CommonConfig(path).status).toBe(1);
        });

        it('a word and a dword reach registers of their width', () => {
          const path = card().path(kind, fn);

          new Window(path, VIRTIO_BAR, 22, 2).write(2, 1);
          new Window(path, VIRTIO_BAR, 32, 4).write(4, 0x89abcde0);

          expect(new CommonConfig(path).readQueue(1, 'queue_desc')).toBe(0x89abcde0);
        });

        it('only the first cap.length bytes of a dword are written', () => {
          const path = card().path(kind, fn);

          new Window(path, VIRTIO_BAR, 20, 1).write(4, 0xffffff01);

          expect(new CommonConfig(path).status).toBe(1);
          expect(new CommonConfig(path).read('queue_select')).toBe(0);
        });
      });

      describe(requirement('PCI-CFGACC-03'), () => {
        it.each([
          [18, 2, 3],
          [24, 2, 256],
          [60, 1, 3],
        ])('at %i of the common configuration, %i bytes, it reads %i', (offset, length, expected) => {
          if (offset === 60 && fn !== 0) return;
          const path = card().path(kind, fn);

          expect(new Window(path, VIRTIO_BAR, offset, length).read(length as AccessSize)).toBe(expected);
        });

        it('reads the device configuration', () => {
          const path = card().path(kind, fn);
          const window = new Window(path, VIRTIO_BAR, DEVICE_CONFIG, 4);

          expect(window.read(4)).toBe(path.read(VIRTIO_BAR, DEVICE_CONFIG, 4));
        });

        it('reads and writes the MSI-X table in its own BAR', () => {
          const path = card().path(kind, fn);

          new Window(path, 4, 8, 4).write(4, 0x1234);

          expect(new Window(path, 4, 8, 4).read(4)).toBe(0x1234);
        });

        it('gives the register, not what was written through the window', () => {
          const path = card().path(kind, fn);
          const window = new Window(path, VIRTIO_BAR, 18, 2);

          window.write(2, 0x7777);

          expect(window.read(2)).toBe(3);
        });
      });

      describe('a window that points nowhere', () => {
        it.each([
          ['BAR 0, which does not exist', 0, 0, 4],
          ['BAR 1', 1, 0, 4],
          ['BAR 6', 6, 0, 4],
          ['BAR 255', 255, 0, 4],
          ['an offset behind the BAR', 2, 0x4000, 4],
          ['the last offset there is', 2, 0xffffffff, 1],
          ['an odd offset for a dword', 2, 22, 4],
          ['length 0', 2, 20, 0],
          ['length 3', 2, 20, 3],
          ['length 8', 2, 32, 8],
          ['a huge length', 2, 20, 0xffffffff],
        ])('%s: a write changes nothing, a read comes back', (_what, bar, offset, length) => {
          const path = card().path(kind, fn);
          const window = new Window(path, bar, offset, length);

          window.write(4, 0x0f0f0f0f);

          expect(Number.isInteger(window.read(4))).toBe(true);
          const common = new CommonConfig(path);
          expect(common.status).toBe(0);
          expect(common.read('queue_select')).toBe(0);
          expect(common.read('queue_desc')).toBe(0);
        });
      });
    });
  });

  describe(requirement('PCI-CFGACC-03'), () => {
    it('reading ISR through the window clears it', () => {
      const target = new RawFunction(new Card({ mode }), 0).start();
      target.transmit();

      const window = new Window(target.path, VIRTIO_BAR, ISR, 1);

      expect(window.read(1)).toBe(1);
      expect(window.read(1)).toBe(0);
    });
  });

  describe(requirement('PCI-CFGACC-02'), () => {
    it.each([0, 2])('a doorbell written through the window sends a frame of function %i', (fn) => {
      const target = new RawFunction(new Card({ mode }).enableVfs(2), fn).start();
      target.addFrame();

      new Window(target.path, VIRTIO_BAR, NOTIFY + 4 * TX, 2).write(2, TX);
      target.card.settle();

      expect(target.ring(TX).takeUsed()).toHaveLength(1);
    });
  });
});
