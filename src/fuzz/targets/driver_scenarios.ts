// SPDX-License-Identifier: Apache-2.0
// The drivers that are attacked, each with the hostile functions below it, and the operations that a program would call:
// the modern driver, the PF's with its admin queue, the legacy one, and the legacy one behind the variant driver.
import { AdminClient } from '../../guest/admin_client.ts';
import { PfDriver } from '../../guest/pf_driver.ts';
import { VirtioModern } from '../../guest/virtio_modern.ts';
import { VirtioNet } from '../../guest/virtio_net.ts';
import { VirtioNetLegacy } from '../../guest/virtio_net_legacy.ts';
import type { TxQueue } from '../../guest/net_queues.ts';
import { VirtioVfioPci } from '../../variant/virtio_vfio_pci.ts';
import type { AccessSize } from '../../vfio/vfio_device.ts';
import { HostileFunction } from './driver_device.ts';
import { RingScenario } from './driver_ring_scenario.ts';
import type { Scenario } from './driver_scenario.ts';
import { deliver } from './driver_service.ts';
import type { DriverWorld } from './driver_world.ts';
import type { FuzzRecord } from './records.ts';

/** Names of operations, by number. */
export const OPERATIONS = [
  'send',
  'poll',
  'deliver',
  'wait',
  'receive mode',
  'mac',
  'control command',
  'link change',
  'restart',
  'sriov',
  'admin exec',
  'admin submit',
  'admin poll',
  'register access',
  'reopen',
  'enqueue',
] as const;

export const SCENARIOS = ['modern', 'pf', 'legacy', 'variant', 'ring'] as const;

/** Bits of the first record's arg: how the program wants its driver. */
const OPTION_PAIRS = 1;
const OPTION_TX_INTERRUPTS = 2;
const OPTION_NO_MSIX = 4;
const OPTION_SMALL_BUFFERS = 8;
const OPTION_NO_VECTORS = 16;

const RESET_POLLS = 50;
const ANSWER_WAITS = 500;
const SMALL_BUFFER = 64;

/** The scenario that the first record asks for. */
export function scenarioOf(world: DriverWorld, first: FuzzRecord): Scenario {
  const name = SCENARIOS[first.kind % SCENARIOS.length]!;
  const scenario = name === 'ring' ? new RingScenario(world, first.arg) : new NetScenario(world, name, first.arg);
  for (const fn of scenario.functions) {
    fn.offered[0]! ^= first.value;
    fn.offered[1]! ^= first.at;
    if ((first.arg & OPTION_NO_VECTORS) !== 0) fn.irqCounts[2] = 0;
  }
  return scenario;
}

class NetScenario implements Scenario {
  readonly functions: readonly HostileFunction[];
  private readonly world: DriverWorld;
  private readonly name: 'modern' | 'pf' | 'legacy' | 'variant';
  private readonly options: number;
  private net: VirtioNet | null = null;
  private legacy: VirtioNetLegacy | null = null;
  private pf: PfDriver | null = null;
  private variant: VirtioVfioPci | null = null;

  constructor(world: DriverWorld, name: 'modern' | 'pf' | 'legacy' | 'variant', options: number) {
    this.world = world;
    this.name = name;
    this.options = options;
    if (name === 'variant') {
      const vf = new HostileFunction(world, 'vf', 1);
      const pf = new HostileFunction(world, 'pf', 0);
      pf.member = vf;
      this.functions = [vf, pf];
    } else this.functions = [new HostileFunction(world, name === 'modern' ? 'vf' : name, 0)];
  }

  start(): void {
    const { world } = this;
    const { memory } = world;
    const has = (bit: number): boolean => (this.options & bit) !== 0;
    const onReceive = (bytes: Uint8Array, offset: number, length: number): void =>
      world.received(bytes, offset, length);
    const common = { onReceive, wantsTxInterrupts: has(OPTION_TX_INTERRUPTS), answerWaits: ANSWER_WAITS };
    const buffers = has(OPTION_SMALL_BUFFERS) ? { rxBufferBytes: SMALL_BUFFER } : {};
    const [first, second] = this.functions;
    const modern = { ...common, ...buffers, queuePairs: has(OPTION_PAIRS) ? 2 : 1 };
    const transport = { resetPollLimit: RESET_POLLS };
    const admin = { slots: 4, dataBytes: 16, answerWaits: ANSWER_WAITS };
    if (this.name === 'modern') {
      this.net = new VirtioNet(new VirtioModern(first!, transport), memory, world, modern);
      this.net.start();
    } else if (this.name === 'pf' || this.name === 'variant') {
      this.pf = new PfDriver(second ?? first!, memory, world, { ...modern, ...transport, admin });
      this.pf.start();
      if (this.name === 'variant') {
        this.variant = new VirtioVfioPci(first!, this.pf.admin, 0);
        this.variant.open();
      } else this.net = this.pf.net;
    }
    if (this.name === 'legacy' || this.name === 'variant') {
      const device = this.variant ?? first!;
      this.legacy = new VirtioNetLegacy(device, memory, world, {
        ...common,
        ...buffers,
        wantsMsix: !has(OPTION_NO_MSIX),
      });
      this.legacy.start();
    }
  }

  operate(operation: number, at: number, value: number): void {
    const { world } = this;
    const driver = this.legacy ?? this.net;
    switch (OPERATIONS[operation]) {
      case 'send':
        driver?.send(new Uint8Array(at & 0x1ff).fill(value & 0xff));
        return;
      case 'poll':
        driver?.poll();
        return;
      case 'deliver':
        deliver(this.functions[0]!, (value >>> 4) & 2, at & 0x1ff, (value & 7) + 1);
        return;
      case 'wait':
        for (let i = at & 15; i >= 0; i--) world.waitForEvent();
        return;
      case 'receive mode':
        driver?.setReceiveMode((value & 1) !== 0, (value & 2) !== 0);
        return;
      case 'mac':
        driver?.setMac(Uint8Array.of(2, 0, 0, 0, at & 0xff, value & 0xff));
        return;
      case 'control command':
        this.net?.command(at & 0xff, at >>> 8, new Uint8Array(value & 0x3f));
        return;
      case 'link change':
        this.functions[0]!.netConfig[6] = value & 0xff;
        this.functions[0]!.raiseConfig();
        return;
      case 'restart':
        if ((at & 1) === 0) driver?.stop();
        driver?.start();
        return;
      case 'sriov':
        this.operateSriov(at, value);
        return;
      case 'admin exec':
      case 'admin submit':
      case 'admin poll':
        if (this.pf !== null) this.operateAdmin(this.pf.admin, operation, at, value);
        return;
      case 'register access':
        this.operateRegister(at, value);
        return;
      case 'reopen':
        this.variant?.close();
        this.variant?.open();
        return;
      case 'enqueue':
        this.operateTransmit(value);
        return;
      default:
    }
  }

  private operateTransmit(value: number): void {
    const queue: TxQueue | null | undefined = this.legacy === null ? this.net?.tx[0] : this.legacy.tx;
    if ((value & 1) === 0) queue?.enqueue(new Uint8Array(20));
    else if ((value & 2) === 0) queue?.reclaim();
    else queue?.flush();
  }

  private operateSriov(at: number, value: number): void {
    const { pf } = this;
    if (pf === null) return;
    if (at % 3 === 0) pf.setNumVfs(value & 7);
    else if (at % 3 === 1) pf.sriov?.restore();
    else pf.sriov?.discover();
  }

  private operateAdmin(admin: AdminClient, operation: number, at: number, value: number): void {
    const opcode = at & 0x1f;
    const data = (value & 0x80) === 0 ? null : new Uint8Array((value >>> 8) & 31);
    const resultBytes = (value >>> 16) & 127;
    const [group, member] = [value & 1, (value >>> 1) & 7];
    if (OPERATIONS[operation] === 'admin exec') {
      const answer = admin.exec(opcode, group, member, data, resultBytes);
      this.world.adminAnswer(answer, resultBytes);
    } else if (OPERATIONS[operation] === 'admin submit') admin.submit(opcode, group, member, data, resultBytes);
    else {
      const slot = admin.poll();
      if (slot >= 0) admin.release(slot);
    }
  }

  private operateRegister(at: number, value: number): void {
    const { variant } = this;
    if (variant === null) return;
    const region = (value & 0x80) === 0 ? 0 : (value >>> 4) & 7;
    const offset = at & 0xff;
    const bytes = new Uint8Array((value >>> 8) & 31).fill(value >>> 24);
    const size = (1 << ((value >>> 2) & 3)) as AccessSize;
    this.world.isProgramWriting = true;
    try {
      this.accessRegister(variant, region, offset, size, value, bytes);
    } finally {
      this.world.isProgramWriting = false;
    }
  }

  private accessRegister(
    variant: VirtioVfioPci,
    region: number,
    offset: number,
    size: AccessSize,
    value: number,
    bytes: Uint8Array,
  ): void {
    if ((value & 3) === 0) variant.read(region, offset, size);
    else if ((value & 3) === 1) variant.write(region, offset, size, value >>> 8);
    else if ((value & 3) === 2) variant.readBytes(region, offset, bytes);
    else variant.writeBytes(region, offset, bytes);
  }
}
