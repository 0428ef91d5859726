// SPDX-License-Identifier: Apache-2.0
// The modern virtio-net driver: start-up, configuration, control commands, restart; and the PF's admin queue with it.
import { describe, expect, it } from 'vitest';

import { PfDriver } from '../../src/guest/pf_driver.ts';
import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet, type VirtioNetOptions } from '../../src/guest/virtio_net.ts';
import { answerBytes } from '../support/admin_device.ts';
import { PlainMemory, ScriptedClock } from '../support/plain_memory.ts';
import { RegisterFunction } from '../support/register_function.ts';

const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
// MTU, MAC, MRG_RXBUF, STATUS, CTRL_VQ, CTRL_RX, MQ, CTRL_MAC_ADDR, INDIRECT, EVENT_IDX
const OFFERED = (1 << 3) | (1 << 5) | (1 << 15) | (1 << 16) | (1 << 17) | (1 << 18) | (1 << 22) | (1 << 23);

function netFunction(features = OFFERED): RegisterFunction {
  const device = new RegisterFunction(5);
  device.offered[0] = features;
  device.vectors = 8;
  device.usableVectors = 8;
  device.numQueues = 5;
  device.deviceConfig.set([...MAC, 1, 0, 2, 0, 0xdc, 0x05]); // link up, two pairs, MTU 1500
  return device;
}

function setup(options: VirtioNetOptions = {}, device = netFunction()) {
  const memory = new PlainMemory();
  const clock = new ScriptedClock();
  const driver = new VirtioNet(new VirtioModern(device), memory, clock, options);
  return { device, memory, clock, driver };
}

describe('start-up of a VF', () => {
  it('ends with DRIVER_OK, fills the receive ring, notifies it and looks at the link', () => {
    const { device, driver, memory } = setup();

    driver.start();

    const end = device.log.slice(-4);
    expect(end).toEqual([
      'w common+20 1 0xf',
      'r common+20 1 = 0xf',
      'w notify+0x0 2 0x0',
      'r device+6 2 = 0x1', // and looks at the link
    ]);
    expect(device.ring(memory, 0).takeAll()).toHaveLength(16);
    expect(device.notified).toEqual([0]);
  });

  it('accepts the features it knows, MQ only when asked, ADMIN_VQ never without an admin client', () => {
    const device = netFunction();
    device.offered[1] = 0x201;
    setup({}, device).driver.start();

    expect(device.accepted).toEqual([OFFERED & ~(1 << 22), 1, 0, 0]);
  });

  it('reads mac, link and MTU', () => {
    const { driver } = setup();

    driver.start();

    expect([...driver.mac]).toEqual(MAC);
    expect([driver.isLinkUp, driver.mtu]).toEqual([true, 1500]);
  });

  it('leaves an MTU below 68 alone', () => {
    const { device, driver } = setup();
    device.deviceConfig[10] = 67;
    device.deviceConfig[11] = 0;

    driver.start();

    expect(driver.mtu).toBe(1500);
    expect(device.accepted[0]! & 8).toBe(0);
  });

  it('without MAC, STATUS and MTU reads no device configuration', () => {
    const { device, driver } = setup({}, netFunction(0));

    driver.start();

    expect(device.log.filter((line) => line.includes('device+'))).toEqual([]);
    expect([driver.isLinkUp, driver.mtu, driver.control]).toEqual([true, 1500, null]);
  });

  it('the control queue is number 2 without MQ, and behind all pairs with MQ', () => {
    const alone = setup();
    alone.driver.start();
    const pairs = setup({ queuePairs: 2 });
    pairs.clock.pending.push(() => {
      const ring = pairs.device.ring(pairs.memory, 4);
      ring.answer(ring.take()!, [0]);
    });
    pairs.driver.start();

    expect(alone.device.queues.map((queue) => queue.enable)).toEqual([1, 1, 1, 0, 0]);
    expect(pairs.device.queues.map((queue) => queue.enable)).toEqual([1, 1, 1, 1, 1]);
    expect(pairs.driver.tx).toHaveLength(2);
  });

  it('a failure leaves FAILED in device_status', () => {
    const { device, driver } = setup();
    device.queues[1]!.size = 0;

    expect(() => driver.start()).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(device.status & 0x80).toBe(0x80);
  });

  it('a second start uses no more memory and works', () => {
    const { device, driver, memory } = setup();
    driver.start();
    driver.stop();
    const used = memory.used;

    driver.start();

    expect(memory.used).toBe(used);
    expect(device.ring(memory, 0).takeAll()).toHaveLength(16);
  });

  it('a configuration change reads the link and reports when it moved', () => {
    const changes: boolean[] = [];
    const { device, driver } = setup({ onLinkChange: (isUp) => changes.push(isUp) });
    driver.start();

    device.handlers[2]?.[0]?.(0, 0);
    device.deviceConfig[6] = 0;
    device.handlers[2]?.[0]?.(0, 0);

    expect([changes, driver.isLinkUp]).toEqual([[false], false]);
  });
});

describe('frames', () => {
  it('are delivered by the receive interrupt and sent by the transmit queue', () => {
    const received: number[] = [];
    const { device, driver, memory } = setup({
      onReceive: (bytes, offset, length) => received.push(length, bytes[offset]!),
    });
    driver.start();
    const rx = device.ring(memory, 0);
    rx.answer(rx.take()!, [...new Uint8Array(10), 1, 0, 0xaa, 0xbb]);

    device.interrupt(0);
    driver.send(Uint8Array.of(1, 2, 3));

    const tx = device.ring(memory, 1);
    expect(received).toEqual([2, 0xaa]);
    expect(driver.statistics()).toMatchObject({ txFrames: 1, txBytes: 3, rxFrames: 1, rxBytes: 2, rxLengthErrors: 0 });
    expect(tx.read(tx.take()!).slice(12)).toEqual([1, 2, 3]);
    expect(device.notified.at(-1)).toBe(1);
  });

  it('a pair that does not exist is the program’s mistake', () => {
    const { driver } = setup();
    driver.start();

    expect(() => driver.send(new Uint8Array(60), 1)).toThrow(expect.objectContaining({ code: 'QUEUE_PAIR' }));
  });
});

describe('control commands', () => {
  /** Runs a call against a control queue that answers `ack`; returns the commands' readable bytes. */
  function control(ack: number, call: (driver: VirtioNet) => unknown, features = OFFERED) {
    const { device, driver, memory, clock } = setup({}, netFunction(features));
    driver.start();
    const commands: number[][] = [];
    const segments: string[] = [];
    const ring = features === 0 ? null : device.ring(memory, 2);
    const answer = () => {
      const chain = ring!.take()!;
      commands.push(ring!.read(chain));
      segments.push(chain.segments.map(({ isWritable, length }) => `${isWritable ? 'w' : 'r'}${length}`).join(' '));
      ring!.answer(chain, [ack]);
    };
    clock.pending.push(answer, answer);
    const result = call(driver);
    return { result, commands, segments, driver };
  }

  it('class and command, data and ack are three buffers', () => {
    expect(control(0, (driver) => driver.setMac(Uint8Array.of(2, 0, 0, 0, 0, 9))).segments).toEqual(['r2 r6 w1']);
  });

  it('receive mode sends PROMISC and ALLMULTI', () => {
    const { result, commands } = control(0, (driver) => driver.setReceiveMode(true, false));

    expect(result).toBe(true);
    expect(commands).toEqual([
      [0, 0, 1],
      [0, 1, 0],
    ]);
  });

  it('ADDR_SET carries the address and changes mac when it is acknowledged', () => {
    const { commands, driver } = control(0, (net) => net.setMac(Uint8Array.of(2, 0, 0, 0, 0, 9)));

    expect(commands).toEqual([[1, 1, 2, 0, 0, 0, 0, 9]]);
    expect([...driver.mac]).toEqual([2, 0, 0, 0, 0, 9]);
  });

  it('a refused ADDR_SET leaves mac as it was', () => {
    const { result, driver } = control(1, (net) => net.setMac(Uint8Array.of(2, 0, 0, 0, 0, 9)));

    expect(result).toBe(false);
    expect([...driver.mac]).toEqual(MAC);
  });

  it('TABLE_SET carries two lists with little-endian counts', () => {
    const { commands } = control(0, (driver) => driver.setMacTable([], [Uint8Array.of(1, 0, 94, 0, 0, 1)]));

    expect(commands).toEqual([[1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 94, 0, 0, 1]]);
  });

  it('without the feature nothing is sent', () => {
    const { result, commands } = control(0, (driver) => driver.setReceiveMode(true, true), 0);

    expect([result, commands]).toEqual([false, []]);
  });

  it('a command that is never answered is DEVICE_SILENT', () => {
    const { driver } = setup();
    driver.start();

    expect(() => driver.setReceiveMode(true, true)).toThrow(expect.objectContaining({ code: 'DEVICE_SILENT' }));
  });
});

describe('start-up of a PF', () => {
  it('takes ADMIN_VQ, sets the admin queue up last and sends its commands between DRIVER_OK and the buffers', () => {
    const device = netFunction((1 << 5) | (1 << 16));
    device.offered[1] = 0x201;
    Object.assign(device, { numQueues: 2, adminIndex: 2, adminNum: 1 });
    const memory = new PlainMemory();
    const clock = new ScriptedClock();
    const order: string[] = [];
    for (const result of [[0x7f, 0, 0, 0, 0, 0, 0, 0], []]) {
      clock.pending.push(() => {
        const ring = device.ring(memory, 2);
        for (let i = 1; i < ring.availIdx; i++) ring.take();
        const chain = ring.take()!;
        order.push(`opcode ${ring.read(chain)[0]} in status ${device.status}, ${device.notified.length} notifications`);
        ring.answer(chain, answerBytes(0, 0, result));
        device.interrupt(2);
      });
    }

    const pf = new PfDriver(device, memory, clock);
    pf.start();

    expect(device.accepted[1]).toBe(0x201);
    expect(device.queues.map((queue) => queue.vector)).toEqual([1, 2, 3, 0xffff, 0xffff]);
    expect(order).toEqual(['opcode 0 in status 15, 1 notifications', 'opcode 1 in status 15, 2 notifications']);
    expect(device.notified).toEqual([2, 2, 0]);
    expect(pf.admin.supportedCommands).toBe(0x7c);
    expect(pf.hasAdminQueue).toBe(true);
  });

  it('comes up without an admin queue where the device offers none', () => {
    const pf = new PfDriver(netFunction(0), new PlainMemory(), new ScriptedClock());

    pf.start();

    expect(pf.hasAdminQueue).toBe(false);
    expect(pf.admin.supportedCommands).toBe(0);
  });
});

describe('a device that means no good', () => {
  function silentControl() {
    const bench = setup({ answerWaits: 5 });
    bench.driver.start();
    bench.clock.pending.push(...Array.from({ length: 100 }, () => () => undefined)); // busy, and no answer
    return bench;
  }

  it('DRV-01: keeps busy and never answers a control command: it is given up', () => {
    const { clock, driver } = silentControl();

    expect(() => driver.setReceiveMode(true, false)).toThrow(expect.objectContaining({ code: 'DEVICE_SILENT' }));
    expect(clock.waits).toBe(5);
  });

  it('DRV-02: a control command that was given up keeps its buffers until the device returns it', () => {
    const { device, memory, driver } = silentControl();
    const ring = device.ring(memory, 2);
    expect(() => driver.setReceiveMode(true, false)).toThrow(expect.objectContaining({ code: 'DEVICE_SILENT' }));
    const late = ring.takeAll();

    expect(() => driver.setReceiveMode(true, false)).toThrow(expect.objectContaining({ code: 'RING_FULL' }));
    expect(ring.takeAll()).toEqual([]);

    ring.answer(late[0]!, [0]);
    expect(() => driver.setReceiveMode(true, false)).toThrow(expect.objectContaining({ code: 'DEVICE_SILENT' }));
    expect(ring.takeAll()).toHaveLength(1);
  });

  it('DRV-04: fails in a second start: no queue of the first can be used', () => {
    const { device, memory, driver } = setup();
    driver.start();
    device.queues[1]!.size = 0;
    expect(() => driver.start()).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    device.notified.length = 0;

    expect(() => driver.send(new Uint8Array(60))).toThrow(expect.objectContaining({ code: 'QUEUE_PAIR' }));
    expect(driver.poll()).toBe(0);
    expect(device.notified).toEqual([]);

    device.queues[1]!.size = 16;
    const { used } = memory;
    driver.start();
    expect(driver.send(new Uint8Array(60))).toBe(true);
    expect(memory.used).toBe(used);
  });
});
