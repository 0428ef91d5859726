// SPDX-License-Identifier: Apache-2.0
// A legacy (virtio 0.9.5) virtio-net driver that knows only an I/O BAR0: whether a real transitional device, a device
// model or the variant driver answers there is not its business. Header of 10 bytes, 12 with mergeable buffers, in a
// descriptor of its own unless VIRTIO_F_ANY_LAYOUT (virtio 1.4 §5.1.6, legacy notes). Start-up and stop are Linux 7.3's,
// access by access, with the same differences as the modern driver's.
import { STATUS_FAILED } from '../../assembly/abi/device_status.ts';
import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from '../../assembly/abi/virtio_features.ts';
import {
  VIRTIO_ID_NET,
  VIRTIO_NET_CFG_MAC,
  VIRTIO_NET_CFG_MTU,
  VIRTIO_NET_CFG_STATUS,
  VIRTIO_NET_CTRL_MAC,
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_RX_ALLMULTI,
  VIRTIO_NET_CTRL_RX_PROMISC,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_HDR_SIZE,
  VIRTIO_NET_HDR_SIZE_LEGACY,
  VIRTIO_NET_MAC_SIZE,
  VIRTIO_NET_S_LINK_UP,
} from '../../assembly/abi/virtio_net.ts';
import { NicError } from '../util/errors.ts';
import { checkOptions, FLAG, HANDLER, type OptionChecks } from '../util/options.ts';
import type { VfioDevice } from '../vfio/vfio_device.ts';
import { ControlQueue } from './control_queue.ts';
import type { DriverRing } from './driver_ring.ts';
import { FEATURE_BITS } from './features.ts';
import { RxQueue, TxQueue, sumStatistics, type NetStatistics, type ReceiveHandler } from './net_queues.ts';
import { WAITS, type Clock, type DmaMemory } from './platform.ts';
import { VirtioLegacy, type LegacyQueuePlan } from './virtio_legacy.ts';
import { DEFAULT_MTU, FRAME_OVERHEAD_BYTES, MIN_MTU, RX_BUFFER } from './virtio_net.ts';

const DRIVER_FEATURES: readonly number[] = [
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_EVENT_IDX,
];
const RX_QUEUE = 0;
const TX_QUEUE = 1;
const CONTROL_QUEUE = 2;
/** Class and command, data, ack. */
const CONTROL_BUFFERS = 3;

/** How the network device is driven through its legacy interface. */
export interface VirtioNetLegacyOptions {
  readonly onReceive?: ReceiveHandler;
  /** Called after a configuration change that moved the link. */
  readonly onLinkChange?: (isUp: boolean) => void;
  /** MSI-X interrupts, the default; otherwise poll() looks for work, and the device configuration stays at 20. */
  readonly wantsMsix?: boolean;
  /** Feature bits to leave alone although the device offers them. */
  readonly refusedFeatures?: readonly number[];
  /** Bytes of a receive buffer with its header, as for the modern driver. */
  readonly rxBufferBytes?: number;
  readonly wantsTxInterrupts?: boolean;
  /** Waits for the answer to a control command before the device is given up. */
  readonly answerWaits?: number;
}

export const VIRTIO_NET_LEGACY_OPTIONS: OptionChecks<VirtioNetLegacyOptions> = {
  onReceive: HANDLER,
  onLinkChange: HANDLER,
  wantsMsix: FLAG,
  refusedFeatures: FEATURE_BITS,
  rxBufferBytes: RX_BUFFER,
  wantsTxInterrupts: FLAG,
  answerWaits: WAITS,
};

/** The legacy network driver of one function. */
export class VirtioNetLegacy {
  readonly transport: VirtioLegacy;
  readonly mac = new Uint8Array(VIRTIO_NET_MAC_SIZE);
  mtu = DEFAULT_MTU;
  isLinkUp = false;
  rx: RxQueue | null = null;
  tx: TxQueue | null = null;
  control: ControlQueue | null = null;

  /** Queues of an earlier start, whose memory the next one uses again. */
  private oldRx: RxQueue | null = null;
  private oldTx: TxQueue | null = null;
  private oldControl: ControlQueue | null = null;
  private readonly memory: DmaMemory;
  private readonly clock: Clock;
  private readonly options: VirtioNetLegacyOptions;

  constructor(device: VfioDevice, memory: DmaMemory, clock: Clock, options: VirtioNetLegacyOptions = {}) {
    checkOptions('legacy driver', options, VIRTIO_NET_LEGACY_OPTIONS);
    this.transport = new VirtioLegacy(device);
    if (this.transport.virtioType !== VIRTIO_ID_NET) {
      throw new NicError('DEVICE_TYPE', `virtio device type ${this.transport.virtioType} is no network card`);
    }
    this.memory = memory;
    this.clock = clock;
    this.options = options;
  }

  /** Brings the device up from any state; a failure leaves FAILED in the status and is thrown on. */
  start(): void {
    try {
      this.bringUp();
    } catch (error) {
      this.transport.addStatus(STATUS_FAILED);
      throw error;
    }
  }

  /** Resets the device and takes its queues and interrupts back; start() brings it up again. */
  stop(): void {
    this.transport.shutdown();
    this.isLinkUp = false;
  }

  /** Sends a frame; false while the ring is full. */
  send(frame: Uint8Array): boolean {
    if (this.tx === null) throw new NicError('DRIVER_STATE', 'send() before start()');
    return this.tx.send(frame);
  }

  /** Looks at the queues without waiting for interrupts; returns the number of frames received. */
  poll(): number {
    this.tx?.reclaim();
    return this.rx === null ? 0 : this.rx.poll();
  }

  /** What the queues have done since start(). */
  statistics(): NetStatistics {
    return sumStatistics(this.rx === null ? [] : [this.rx], this.tx === null ? [] : [this.tx]);
  }

  /** The card's own address, by a control command where there is one, otherwise byte by byte; false where it is refused. */
  setMac(mac: Uint8Array): boolean {
    const { control, transport } = this;
    if (control === null || !transport.hasFeature(VIRTIO_NET_F_CTRL_MAC_ADDR)) {
      transport.writeConfigBytes(VIRTIO_NET_CFG_MAC, mac);
    } else if (!control.command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac)) return false;
    this.mac.set(mac);
    return true;
  }

  /** PROMISC and ALLMULTI; false where the device refuses, or has no VIRTIO_NET_F_CTRL_RX. */
  setReceiveMode(promiscuous: boolean, allMulticast: boolean): boolean {
    const { control } = this;
    if (control === null || !this.transport.hasFeature(VIRTIO_NET_F_CTRL_RX)) return false;
    const promisc = Uint8Array.of(promiscuous ? 1 : 0);
    const isPromiscuous = control.command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, promisc);
    const multi = Uint8Array.of(allMulticast ? 1 : 0);
    return control.command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, multi) && isPromiscuous;
  }

  private bringUp(): void {
    const { transport, options } = this;
    const refused = options.refusedFeatures ?? [];
    this.retire();
    transport.reset();
    const wanted = DRIVER_FEATURES.filter((bit) => !refused.includes(bit));
    transport.negotiate(wanted, () => this.validate());
    // The vectors are not set up yet, so the configuration is at 20. There is no config_generation.
    if (transport.hasFeature(VIRTIO_NET_F_MAC)) transport.readConfigBytes(VIRTIO_NET_CFG_MAC, this.mac);
    this.mtu = transport.hasFeature(VIRTIO_NET_F_MTU) ? transport.readConfig16(VIRTIO_NET_CFG_MTU) : DEFAULT_MTU;
    const plans: LegacyQueuePlan[] = [
      { index: RX_QUEUE, onUsed: () => this.rx?.onUsed() },
      { index: TX_QUEUE, onUsed: () => this.tx?.onUsed(), checksUsedLength: false },
    ];
    const hasControl = transport.hasFeature(VIRTIO_NET_F_CTRL_VQ);
    if (hasControl) {
      plans.push({
        index: CONTROL_QUEUE,
        onUsed: null,
        checksUsedLength: false,
        indirectEntries: CONTROL_BUFFERS,
      });
    }
    const rings = transport.setupQueues(this.memory, plans, this.onConfigChange, options.wantsMsix ?? true);
    this.makeQueues(rings);
    transport.driverOk();
    transport.status(); // Linux asks here whether a driver has set DRIVER_OK, and sets it for one that has not
    this.rx!.fill();
    this.isLinkUp = this.readLink();
  }

  /** What is to be left out of the features: an MTU that IPv4 does not work with (RFC 791). */
  private validate(): number[] {
    const { transport } = this;
    if (!transport.hasFeature(VIRTIO_NET_F_MTU)) return [];
    return transport.readConfig16(VIRTIO_NET_CFG_MTU) < MIN_MTU ? [VIRTIO_NET_F_MTU] : [];
  }

  /** Nobody may use a queue until its ring is set up again, be it that this start fails. */
  private retire(): void {
    this.oldRx = this.rx ?? this.oldRx;
    this.oldTx = this.tx ?? this.oldTx;
    this.oldControl = this.control ?? this.oldControl;
    this.rx = null;
    this.tx = null;
    this.control = null;
  }

  private readLink(): boolean {
    if (!this.transport.hasFeature(VIRTIO_NET_F_STATUS)) return true;
    return (this.transport.readConfig16(VIRTIO_NET_CFG_STATUS) & VIRTIO_NET_S_LINK_UP) !== 0;
  }

  private makeQueues(rings: readonly DriverRing[]): void {
    const { memory, transport, options } = this;
    const isMergeable = transport.hasFeature(VIRTIO_NET_F_MRG_RXBUF);
    const headerBytes = isMergeable ? VIRTIO_NET_HDR_SIZE : VIRTIO_NET_HDR_SIZE_LEGACY;
    const maxFrameBytes = this.mtu + FRAME_OVERHEAD_BYTES;
    const framing = { headerBytes, hasSeparateHeader: !transport.hasFeature(VIRTIO_F_ANY_LAYOUT) };
    this.rx = RxQueue.over(this.oldRx ?? undefined, rings[RX_QUEUE]!, memory, transport, {
      ...framing,
      isMergeable,
      bufferBytes: options.rxBufferBytes ?? headerBytes + maxFrameBytes,
    });
    this.rx.onReceive = options.onReceive ?? null;
    this.tx = TxQueue.over(this.oldTx ?? undefined, rings[TX_QUEUE]!, memory, transport, {
      ...framing,
      maxFrameBytes,
      wantsInterrupts: options.wantsTxInterrupts ?? false,
    });
    const controlRing = rings[CONTROL_QUEUE];
    if (controlRing === undefined) return;
    this.control = this.oldControl;
    if (this.control?.ring === controlRing) this.control.start();
    else this.control = new ControlQueue(controlRing, memory, this.clock, transport, options.answerWaits);
  }

  private readonly onConfigChange = (): void => {
    const isUp = this.readLink();
    if (isUp === this.isLinkUp) return;
    this.isLinkUp = isUp;
    this.options.onLinkChange?.(isUp);
  };
}
