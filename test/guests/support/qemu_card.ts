// SPDX-License-Identifier: Apache-2.0
// QEMU's own virtio-net-pci in the place of the card, to tell faults of these tests from faults of the card. Each
// function has a TAP device; a bridge of the host stands for the card's switch.
import { type Card, type CardOptions, type FunctionName, macOf, rootPort } from './card.ts';

const BRIDGE = 'wire';

export class QemuCard implements Card {
  readonly pid = undefined;
  private readonly options: CardOptions;

  constructor(options: CardOptions) {
    const { network, functions, queuePairs = 1 } = options;
    this.options = options;
    for (const fn of functions) network.addTap(fn, { multiQueue: queuePairs > 1 });
    network.addBridge(BRIDGE, functions);
    network.addHostAddress(BRIDGE);
  }

  plug(fn: FunctionName, port: number): string[] {
    const { transitional = false, queuePairs = 1 } = this.options;
    const disableLegacy = transitional ? 'off' : 'on';
    return [
      rootPort(port),
      ['-netdev', `tap,id=net-${fn},ifname=${fn},script=no,downscript=no,queues=${queuePairs}`],
      [
        '-device',
        `virtio-net-pci,bus=rp${port},netdev=net-${fn},mac=${macOf(fn)},mq=${queuePairs > 1 ? 'on' : 'off'},` +
          `vectors=${2 * queuePairs + 2},disable-legacy=${disableLegacy},disable-modern=off`,
      ],
    ].flat();
  }

  async stop(): Promise<void> {}
}
