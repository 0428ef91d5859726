// SPDX-License-Identifier: Apache-2.0
// Witnesses of bugs in registers, configuration space, MSI-X and resets.
import { submit, writable } from '../conformance/ring/support/buffers.ts';
import { frame, macOf, STRANGER } from '../conformance/ring/support/frames.ts';
import type { RawCard } from '../support/raw_card.ts';
import type { RawFunction } from '../support/raw_function.ts';
import { F, R, RX, TX } from '../support/registers.ts';
import { cardOf, sendFrame, type Witnesses } from './witness.ts';

const MSIX_BAR = 4;
const PBA = 0x800;
const COMMAND = 0x04;
const STATUS = 0x06;
const MSIX_CONTROL = 0x4a;
const SRIOV_CONTROL = 0x148;
const SRIOV_NUM_VFS = 0x150;

function configBytes(card: RawCard, fn: number): string {
  return Array.from({ length: 64 }, (_, i) => card.nic.configRead(fn, 4 * i, 4)).join();
}

/** One used buffer on the receive queue (vector 1) and one on the transmit queue (vector 2). */
function useBoth(fn: RawFunction): void {
  submit(fn, RX, writable(fn, 200));
  fn.card.arrive(frame(macOf(fn.fn), STRANGER));
  sendFrame(fn);
}

export const REGISTER_WITNESSES: Witnesses = {
  M01: {
    right: '0 registers behind the 28 bytes are not 0',
    run(core) {
      const fn = cardOf(core).fn(1);
      const others = Array.from({ length: 200 }, (_, i) => fn.deviceConfig(28 + 4 * i, 4)).filter(
        (value) => value !== 0,
      );
      return `${others.length} registers behind the 28 bytes are not 0`;
    },
  },
  M02: {
    right: 'pending 0, VF 2 as before: true',
    run(core) {
      const card = cardOf(core);
      const before = configBytes(card, 2);
      const pending = (): number => card.nic.read(1, MSIX_BAR, PBA, 4);
      for (let at = 16 * 32; at < 0x1000; at += 4) card.nic.write(1, MSIX_BAR, at, 4, 0xffff_fffe);
      return `pending ${pending()}, VF 2 as before: ${configBytes(card, 2) === before}`;
    },
  },
  M03: {
    right: 'notification offset 0 of queue 3',
    run(core) {
      const fn = cardOf(core).fn(1); // queues 0, 1, 2; no admin queue
      fn.write(R.DRIVER_FEATURE_SELECT, 5, 4);
      fn.write(R.DRIVER_FEATURE, 3, 4);
      return `notification offset ${fn.queue(3, R.QUEUE_NOTIFY_OFF)} of queue 3`;
    },
  },
  M04: {
    right: 'features 0x0',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.negotiate([F.VERSION_1]);
      fn.write(R.DRIVER_FEATURE_SELECT, 0, 4);
      fn.write(R.DRIVER_FEATURE, 1 << F.MAC, 4);
      return `features 0x${fn.read(R.DRIVER_FEATURE, 4).toString(16)}`;
    },
  },
  M05: {
    right: 'size 16',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      fn.setQueue(TX, R.QUEUE_SIZE, 8);
      return `size ${fn.queue(TX, R.QUEUE_SIZE)}`;
    },
  },
  M06: {
    right: 'agreed: false',
    run: (core) => `agreed: ${cardOf(core).fn(1).negotiate([F.VERSION_1, F.CSUM])}`,
  },
  M07: {
    right: 'vector 65535',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.setQueue(TX, R.QUEUE_MSIX_VECTOR, 9);
      return `vector ${fn.read(R.QUEUE_MSIX_VECTOR)}`;
    },
  },
  M08: {
    right: '0 messages',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start({ queues: { [TX]: { vector: null } } });
      sendFrame(fn);
      return `${fn.card.messages.length} messages`;
    },
  },
  M09: {
    right: 'pending 6, then messages 1,2',
    run: (core) => held(cardOf(core).fn(1)),
  },
  M10: {
    right: 'pending 6, then messages 1,2',
    run: (core) => held(cardOf(core).fn(1)),
  },
  M11: {
    right: 'NumVFs 0',
    run(core) {
      const { nic } = cardOf(core, { numVfs: 0, totalVfs: 2 });
      nic.configWrite(0, SRIOV_NUM_VFS, 2, 5);
      return `NumVFs ${nic.configRead(0, SRIOV_NUM_VFS, 2)}`;
    },
  },
  M12: {
    right: 'VF 2 present: true',
    run(core) {
      const { nic } = cardOf(core);
      nic.configWrite(0, SRIOV_CONTROL, 2, 1); // MSE off
      return `VF 2 present: ${nic.isPresent(2)}`;
    },
  },
  M13: {
    right: 'status 0',
    run(core) {
      const card = cardOf(core);
      card.fn(1).start();
      card.nic.configWrite(0, SRIOV_CONTROL, 2, 0);
      card.nic.configWrite(0, SRIOV_CONTROL, 2, 9);
      return `status ${card.fn(1).status}`;
    },
  },
  M14: {
    right: 'Interrupt Status 8, 0 messages',
    run(core) {
      const card = cardOf(core);
      const pf = card.fn(0);
      pf.functionLevelReset();
      card.nic.configWrite(0, COMMAND, 2, 6);
      pf.start({ queues: { [TX]: { vector: 0 } } });
      sendFrame(pf);
      return `Interrupt Status ${card.nic.configRead(0, STATUS, 2) & 8}, ${card.messages.length} messages`;
    },
  },
  M15: {
    right: 'generation changed: true',
    run(core) {
      const fn = cardOf(core).fn(1);
      const before = fn.read(R.CONFIG_GENERATION, 1);
      fn.deviceConfig(6, 2);
      fn.card.nic.setLink(false);
      return `generation changed: ${fn.read(R.CONFIG_GENERATION, 1) !== before}`;
    },
  },
  M16: {
    right: '0 frames without bus mastering',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      fn.card.nic.configWrite(1, COMMAND, 2, 0);
      sendFrame(fn);
      return `${fn.card.wire.length} frames without bus mastering`;
    },
  },
  M17: {
    right: '1 frame after it came back',
    run(core) {
      const fn = cardOf(core).fn(1);
      fn.start();
      fn.card.nic.configWrite(1, COMMAND, 2, 0);
      sendFrame(fn);
      fn.card.nic.configWrite(1, COMMAND, 2, 4);
      fn.card.settle();
      return `${fn.card.wire.length} frame after it came back`;
    },
  },
  M18: {
    right: 'num_queues 0xffff',
    run(core) {
      const pf = cardOf(core).fn(0);
      pf.card.nic.configWrite(0, COMMAND, 2, 4);
      return `num_queues 0x${pf.read(R.NUM_QUEUES).toString(16)}`;
    },
  },
  M19: {
    right: '0 queues beyond the last',
    run(core) {
      const fn = cardOf(core).fn(1);
      const isThere = (index: number): boolean => fn.queue(index, R.QUEUE_SIZE) !== 0 || fn.read(R.QUEUE_DESC, 4) !== 0;
      return `${Array.from({ length: 200 }, (_, i) => 3 + i).filter(isThere).length} queues beyond the last`;
    },
  },
};

/** What stays pending under Function Mask, and what comes when it goes. */
function held(fn: RawFunction): string {
  const { nic, messages } = fn.card;
  fn.start();
  nic.configWrite(fn.fn, MSIX_CONTROL, 2, 0xc000);
  useBoth(fn);
  const early = messages.length > 0 ? `${messages.length} early, ` : '';
  const pending = nic.read(fn.fn, MSIX_BAR, PBA, 4);
  nic.configWrite(fn.fn, MSIX_CONTROL, 2, 0x8000);
  fn.card.settle();
  return `${early}pending ${pending}, then messages ${messages.map(({ vector }) => vector).join()}`;
}
