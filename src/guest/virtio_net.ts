// SPDX-License-Identifier: Apache-2.0
// A modern virtio-net driver (virtio 1.4 §5.1) over one function: MAC, STATUS, MTU, MRG_RXBUF, control queue with receive
// modes and MAC address, several queue pairs where asked for. No checksum or segmentation offload is negotiated.
// Start-up is Linux 7.3's from probe to open, access by access, and stop() is its remove: the accesses of a recorded kernel
// are in test/host/linux_accesses.test.ts. Where this driver differs: it takes MQ only when asked for several pairs, and
// sets up no more of them than that; receive modes and addresses are set when the program says so, not when the interface
// goes up; the link is looked at once the buffers are there, where Linux leaves that to a worker.
import { STATUS_FAILED } from '../../assembly/abi/device_status.ts';
import { VIRTIO_F_ADMIN_VQ } from '../../assembly/abi/virtio_features.ts';
import {
  VIRTIO_ID_NET,
  VIRTIO_NET_CFG_MAC,
  VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS,
  VIRTIO_NET_CFG_MTU,
  VIRTIO_NET_CFG_STATUS,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_MQ,
  VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_ALLMULTI,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_HDR_SIZE,
  VIRTIO_NET_MAC_SIZE,
  VIRTIO_NET_S_LINK_UP,
} from '../../assembly/abi/virtio_net.ts';
import { VIRTQ_MAX_SIZE } from '../../assembly/abi/virtio_ring.ts';
import { NicError } from '../util/errors.ts';
import {
  ANYTHING,
  checkOptions,
  FLAG,
  HANDLER,
  powerOfTwoFrom,
  wholeFrom,
  type OptionChecks,
} from '../util/options.ts';
import type { AdminClient } from './admin_client.ts';
import { activateAdmin } from './admin_setup.ts';
import { ControlQueue } from './control_queue.ts';
import type { DriverRing } from './driver_ring.ts';
import { RxQueue, TxQueue, sumStatistics, type NetStatistics, type ReceiveHandler } from './net_queues.ts';
import { WAITS, type Clock, type DmaMemory } from './platform.ts';
import type { QueuePlan, VirtioModern } from './virtio_modern.ts';

const DRIVER_FEATURES: readonly number[] = [
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
];

/** What a frame has beside a packet of the MTU: an Ethernet header with up to two VLAN tags. */
export const FRAME_OVERHEAD_BYTES = 22;
export const DEFAULT_MTU = 1500;
/** VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX. */
const QUEUE_PAIRS_MAX = 0x8000;
export const MIN_MTU = 68;

/** How the network device is driven. */
export interface VirtioNetOptions {
  readonly onReceive?: ReceiveHandler;
  /** Called after a configuration change that moved the link. */
  readonly onLinkChange?: (isUp: boolean) => void;
  /** More than one negotiates VIRTIO_NET_F_MQ; at most what the device has are used. Default 1. */
  readonly queuePairs?: number;
  /** Descriptors per data queue, a power of two from 2, at most what the device offers. */
  readonly queueSize?: number;
  /**
   * Bytes of a receive buffer with its header, 26..65562; the default holds a frame of the MTU. Where
   * VIRTIO_NET_F_MRG_RXBUF is not negotiated, longer frames do not arrive.
   */
  readonly rxBufferBytes?: number;
  /** Interrupts for every transmitted frame, instead of only while a ring is full. */
  readonly wantsTxInterrupts?: boolean;
  /** Waits for the answer to a control command before the device is given up. */
  readonly answerWaits?: number;
  /** The PF's admin queue and the commands it is for. */
  readonly admin?: { readonly client: AdminClient; readonly wantedCommands: number };
}

/** A buffer holds the virtio-net header and an Ethernet header at least, and the longest packet there is at most (§5.1.6.3.1). */
export const RX_BUFFER = wholeFrom(VIRTIO_NET_HDR_SIZE + 14, 65_562);

export const VIRTIO_NET_OPTIONS: OptionChecks<VirtioNetOptions> = {
  onReceive: HANDLER,
  onLinkChange: HANDLER,
  queuePairs: wholeFrom(1, QUEUE_PAIRS_MAX),
  queueSize: powerOfTwoFrom(2, VIRTQ_MAX_SIZE),
  rxBufferBytes: RX_BUFFER,
  wantsTxInterrupts: FLAG,
  answerWaits: WAITS,
  admin: ANYTHING,
};

/** The network driver of a PF or VF. */
export class VirtioNet {
  readonly transport: VirtioModern;
  readonly mac = new Uint8Array(VIRTIO_NET_MAC_SIZE);
  mtu = DEFAULT_MTU;
  isLinkUp = false;
  rx: readonly RxQueue[] = [];
  tx: readonly TxQueue[] = [];
  control: ControlQueue | null = null;

  /** Queues of an earlier start, whose memory the next one uses again. */
  private oldRx: readonly RxQueue[] = [];
  private oldTx: readonly TxQueue[] = [];
  private oldControl: ControlQueue | null = null;
  private readonly memory: DmaMemory;
  private readonly clock: Clock;
  private readonly options: VirtioNetOptions;

  constructor(transport: VirtioModern, memory: DmaMemory, clock: Clock, options: VirtioNetOptions = {}) {
    checkOptions('modern driver', options, VIRTIO_NET_OPTIONS);
    if (transport.layout.virtioType !== VIRTIO_ID_NET) {
      throw new NicError('DEVICE_TYPE', `virtio device type ${transport.layout.virtioType} is no network card`);
    }
    this.transport = transport;
    this.memory = memory;
    this.clock = clock;
    this.options = options;
  }

  /** Brings the device up from any state; a failure leaves FAILED in device_status and is thrown on. */
  start(): void {
    try {
      this.bringUp();
    } catch (error) {
      this.transport.addStatus(STATUS_FAILED);
      throw error;
    }
  }

  /** Resets the device; start() may follow. */
  stop(): void {
    this.transport.shutdown();
    this.isLinkUp = false;
  }

  /** Sends a frame on a queue pair; false while its ring is full. */
  send(frame: Uint8Array, pair = 0): boolean {
    const queue = this.tx[pair];
    if (queue === undefined)
      throw new NicError('QUEUE_PAIR', `no queue pair ${pair}: the driver runs ${this.tx.length}`);
    return queue.send(frame);
  }

  /** Looks at all queues without waiting for interrupts; returns the number of frames received. */
  poll(): number {
    let received = 0;
    for (const queue of this.rx) received += queue.poll();
    for (const queue of this.tx) queue.reclaim();
    return received;
  }

  /** Totals over all queues. */
  statistics(): NetStatistics {
    return sumStatistics(this.rx, this.tx);
  }

  /** PROMISC and ALLMULTI; false where the device refuses, or has no VIRTIO_NET_F_CTRL_RX. */
  setReceiveMode(promiscuous: boolean, allMulticast: boolean): boolean {
    if (!this.transport.hasFeature(VIRTIO_NET_F_CTRL_RX)) return false;
    const isPromiscuous = this.command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, [promiscuous ? 1 : 0]);
    return this.command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, [allMulticast ? 1 : 0]) && isPromiscuous;
  }

  /** MAC TABLE_SET: further addresses to receive. */
  setMacTable(unicast: readonly Uint8Array[], multicast: readonly Uint8Array[]): boolean {
    if (!this.transport.hasFeature(VIRTIO_NET_F_CTRL_RX)) return false;
    const data: number[] = [];
    for (const list of [unicast, multicast]) {
      data.push(list.length & 0xff, (list.length >>> 8) & 0xff, 0, 0);
      for (const mac of list) data.push(...mac);
    }
    return this.command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data);
  }

  /** MAC ADDR_SET: the card's own address. */
  setMac(mac: Uint8Array): boolean {
    if (!this.transport.hasFeature(VIRTIO_NET_F_CTRL_MAC_ADDR)) return false;
    if (!this.command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac)) return false;
    this.mac.set(mac);
    return true;
  }

  /** One control command; false where the device answers VIRTIO_NET_ERR. */
  command(commandClass: number, command: number, data: ArrayLike<number>): boolean {
    if (this.control === null) throw new NicError('CTRL_QUEUE', 'VIRTIO_NET_F_CTRL_VQ is not negotiated');
    return this.control.command(commandClass, command, Uint8Array.from(data));
  }

  private bringUp(): void {
    const { transport, options } = this;
    const { queuePairs = 1, admin } = options;
    const features = [...DRIVER_FEATURES];
    if (queuePairs > 1) features.push(VIRTIO_NET_F_MQ);
    if (admin !== undefined) features.push(VIRTIO_F_ADMIN_VQ);
    this.retire();
    transport.reset();
    transport.negotiate(features, () => this.validate());

    const hasMq = transport.hasFeature(VIRTIO_NET_F_MQ);
    const maxPairs = hasMq ? transport.readConfig(VIRTIO_NET_CFG_MAX_VIRTQUEUE_PAIRS, 2) : 1;
    const pairs = Math.min(queuePairs, maxPairs);
    if (transport.hasFeature(VIRTIO_NET_F_MAC)) transport.readConfigBytes(VIRTIO_NET_CFG_MAC, this.mac);
    this.mtu = transport.hasFeature(VIRTIO_NET_F_MTU) ? transport.readConfig(VIRTIO_NET_CFG_MTU, 2) : DEFAULT_MTU;
    const hasControl = transport.hasFeature(VIRTIO_NET_F_CTRL_VQ);
    const hasAdmin = admin !== undefined && transport.hasFeature(VIRTIO_F_ADMIN_VQ);
    const plans = this.dataPlans(pairs);
    if (hasControl) plans.push({ index: 2 * maxPairs, onUsed: null });
    const adminPlan = hasAdmin ? { onUsed: admin.client.onUsed } : null;
    const rings = transport.setupQueues(this.memory, plans, this.onConfigChange, adminPlan);
    this.makeQueues(pairs, rings);
    if (hasControl) this.makeControl(rings[2 * pairs]!);
    if (hasAdmin) admin.client.start(rings[rings.length - 1]!);

    transport.driverOk();
    if (hasAdmin) activateAdmin(admin.client, admin.wantedCommands);
    if (hasMq) this.command(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, [pairs & 0xff, pairs >>> 8]);
    transport.status(); // Linux asks here whether a driver has set DRIVER_OK, and sets it for one that has not
    for (const queue of this.rx) queue.fill();
    this.isLinkUp = this.readLink();
  }

  /** What is to be left out of the features: an MTU that IPv4 does not work with (RFC 791). */
  private validate(): number[] {
    const { transport } = this;
    if (!transport.hasFeature(VIRTIO_NET_F_MTU)) return [];
    return transport.readConfig(VIRTIO_NET_CFG_MTU, 2) < MIN_MTU ? [VIRTIO_NET_F_MTU] : [];
  }

  /** Nobody may use a queue until its ring is set up again, be it that this start fails. */
  private retire(): void {
    if (this.tx.length > 0) {
      this.oldRx = this.rx;
      this.oldTx = this.tx;
    }
    this.oldControl = this.control ?? this.oldControl;
    this.rx = [];
    this.tx = [];
    this.control = null;
  }

  private readLink(): boolean {
    if (!this.transport.hasFeature(VIRTIO_NET_F_STATUS)) return true;
    return (this.transport.readConfig(VIRTIO_NET_CFG_STATUS, 2) & VIRTIO_NET_S_LINK_UP) !== 0;
  }

  private dataPlans(pairs: number): QueuePlan[] {
    const size = this.options.queueSize === undefined ? {} : { maxSize: this.options.queueSize };
    const plans: QueuePlan[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      plans.push({ index: 2 * pair, onUsed: () => this.rx[pair]?.onUsed(), ...size });
      plans.push({ index: 2 * pair + 1, onUsed: () => this.tx[pair]?.onUsed(), ...size });
    }
    return plans;
  }

  /** Queues over the rings; those of an earlier start are kept where nothing about them changed. */
  private makeQueues(pairs: number, rings: readonly DriverRing[]): void {
    const { memory, transport, options } = this;
    const maxFrameBytes = this.mtu + FRAME_OVERHEAD_BYTES;
    const framing = { headerBytes: VIRTIO_NET_HDR_SIZE, hasSeparateHeader: false };
    const rxOptions = {
      ...framing,
      isMergeable: transport.hasFeature(VIRTIO_NET_F_MRG_RXBUF),
      bufferBytes: options.rxBufferBytes ?? framing.headerBytes + maxFrameBytes,
    };
    const txOptions = { ...framing, maxFrameBytes, wantsInterrupts: options.wantsTxInterrupts ?? false };
    const rx: RxQueue[] = [];
    const tx: TxQueue[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const queue = RxQueue.over(this.oldRx[pair], rings[2 * pair]!, memory, transport, rxOptions);
      queue.onReceive = options.onReceive ?? null;
      rx.push(queue);
      tx.push(TxQueue.over(this.oldTx[pair], rings[2 * pair + 1]!, memory, transport, txOptions));
    }
    this.rx = rx;
    this.tx = tx;
  }

  private makeControl(ring: DriverRing): void {
    this.control = this.oldControl;
    if (this.control?.ring === ring) this.control.start();
    else this.control = new ControlQueue(ring, this.memory, this.clock, this.transport, this.options.answerWaits);
  }

  private readonly onConfigChange = (): void => {
    const isUp = this.readLink();
    if (isUp === this.isLinkUp) return;
    this.isLinkUp = isUp;
    this.options.onLinkChange?.(isUp);
  };
}
