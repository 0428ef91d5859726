// SPDX-License-Identifier: Apache-2.0
// Receive modes and MAC addresses by control command. virtio 1.4 §5.1.6.5.1 "Packet Receive Filtering" and §5.1.6.5.2
// "Setting MAC Address Filtering".
import { describe, expect, it } from 'vitest';

import { requirement } from '../requirements.ts';
import { BROADCAST, frame, macOf, STRANGER } from '../ring/support/frames.ts';
import { MODES, RawCard } from '../../support/raw_card.ts';
import { F } from '../../support/registers.ts';
import { Port } from './support/port.ts';

const OK = 0;
const OTHER = Uint8Array.of(0x02, 0x10, 0x20, 0x30, 0x40, 0x50);
const GROUP = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x05);
const OTHER_GROUP = Uint8Array.of(0x33, 0x33, 0x00, 0x00, 0x00, 0x01);
const CONTROL = 2;
const FEATURES = [F.MAC, F.CTRL_VQ, F.CTRL_RX, F.CTRL_MAC_ADDR];

describe.each(MODES)('%s', (mode) => {
  function started() {
    const card = new RawCard({ mode, queueSize: 64, numVfs: 1 });
    const port = new Port(card, 1, { features: FEATURES, control: CONTROL });
    port.post(Array.from({ length: 32 }, () => 200));
    /** Which of these destinations the port takes from the wire. */
    const takes = (...to: readonly Uint8Array[]): boolean[] =>
      to.map((address) => {
        card.arrive(frame(address, STRANGER));
        return port.frames().length === 1;
      });
    return { card, port, takes };
  }

  describe(requirement('NET-MAC-04'), () => {
    it('the table is empty at first: own address and broadcast are taken, foreign unicast and groups are not', () => {
      const { takes, port } = started();

      expect(takes(port.mac, BROADCAST, OTHER, GROUP)).toEqual([true, true, false, false]);
    });
  });

  describe(requirement('NET-RXFILTER-01'), () => {
    it('PROMISC and ALLMULTI are acknowledged, on and off', () => {
      const { port } = started();

      expect([1, 0].map((on) => port.setPromiscuous(on === 1))).toEqual([OK, OK]);
      expect([1, 0].map((on) => port.setAllMulticast(on === 1))).toEqual([OK, OK]);
    });
  });

  describe(requirement('NET-RXFILTER-02'), () => {
    it('promiscuous takes every packet until it is off', () => {
      const { port, takes } = started();

      port.setPromiscuous(true);
      expect(takes(OTHER, GROUP, OTHER_GROUP, BROADCAST, port.mac)).toEqual([true, true, true, true, true]);

      port.setPromiscuous(false);
      expect(takes(OTHER, GROUP, port.mac)).toEqual([false, false, true]);
    });
  });

  describe(requirement('NET-RXFILTER-04'), () => {
    it('all-multicast takes every group, and no foreign unicast', () => {
      const { port, takes } = started();

      port.setAllMulticast(true);
      expect(takes(GROUP, OTHER_GROUP, OTHER, BROADCAST)).toEqual([true, true, false, true]);

      port.setAllMulticast(false);
      expect(takes(GROUP, OTHER_GROUP)).toEqual([false, false]);
    });
  });

  it.each([5, 3, 4, 2])('command %i of the receive class belongs to CTRL_RX_EXTRA and is refused', (command) => {
    expect(started().port.command(0, command, 1)).toBe(1);
  });

  describe(requirement('NET-MAC-02'), () => {
    it('a table is in force when its command is acknowledged, and the next one replaces it', () => {
      const { port, takes } = started();

      expect(port.setMacTable([OTHER], [GROUP])).toBe(OK);
      expect(takes(OTHER, GROUP, OTHER_GROUP, port.mac)).toEqual([true, true, false, true]);

      expect(port.setMacTable([], [OTHER_GROUP])).toBe(OK);
      expect(takes(OTHER, GROUP, OTHER_GROUP, port.mac)).toEqual([false, false, true, true]);

      expect(port.setMacTable([], [])).toBe(OK);
      expect(takes(OTHER, GROUP, OTHER_GROUP, port.mac)).toEqual([false, false, false, true]);
    });

    it('sixteen unicast and sixteen multicast addresses are all taken', () => {
      const { port, takes } = started();
      const unicast = Array.from({ length: 16 }, (_, i) => Uint8Array.of(2, 9, 9, 9, 9, i));
      const multicast = Array.from({ length: 16 }, (_, i) => Uint8Array.of(1, 0, 0x5e, 1, 1, i));

      expect(port.setMacTable(unicast, multicast)).toBe(OK);

      expect(takes(...unicast, ...multicast).every(Boolean)).toBe(true);
    });
  });

  describe(requirement('NET-MAC-01'), () => {
    it.each(['device reset', 'function level reset'])('table and modes are gone after a %s', (kind) => {
      const { card, port } = started();
      port.setMacTable([OTHER], []);
      port.setPromiscuous(true);

      if (kind === 'device reset') port.fn.reset();
      else {
        port.fn.functionLevelReset();
        card.nic.configWrite(1, 4, 2, 6);
      }
      const again = new Port(card, 1, { features: FEATURES, control: CONTROL });
      again.post([200, 200, 200]);
      for (const to of [OTHER, STRANGER, again.mac]) card.arrive(frame(to, STRANGER));

      expect(again.frames()).toEqual([frame(again.mac, STRANGER)]);
    });
  });

  describe(requirement('NET-MAC-03'), () => {
    it('the address reads back from the configuration as soon as the command is acknowledged', () => {
      const { port } = started();

      expect(port.setMac(OTHER)).toBe(OK);

      expect(port.fn.mac).toEqual(OTHER);
    });
  });

  describe('DESC-NET-29 ADDR_SET changes the default address of the filter', () => {
    it('the new address is taken, the old one no more', () => {
      const { port, takes } = started();

      port.setMac(OTHER);

      expect(takes(OTHER, macOf(1))).toEqual([true, false]);
    });

    it('a table set before stays in force', () => {
      const { port, takes } = started();
      port.setMacTable([], [GROUP]);

      port.setMac(OTHER);

      expect(takes(GROUP, OTHER)).toEqual([true, true]);
    });

    it('a function level reset brings the permanent address back', () => {
      const { port } = started();
      port.setMac(OTHER);

      port.fn.functionLevelReset();

      expect(port.fn.mac).toEqual(macOf(1));
    });
  });

  it('unicast that nobody takes is counted as without a match', () => {
    const { card, takes } = started();

    takes(OTHER, OTHER);

    expect(card.nic.counters()['wire_rx_no_match']).toBe(2);
  });

  it('a group that the port does not take is counted as filtered', () => {
    const { port, takes } = started();
    port.setMacTable([], []);

    takes(GROUP, GROUP, GROUP);

    expect(port.fn.counters['rx_drop_filter']).toBe(3);
  });
});
