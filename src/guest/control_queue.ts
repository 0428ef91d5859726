// SPDX-License-Identifier: Apache-2.0
// The control queue of a network driver (virtio 1.4 §5.1.6.5): one command at a time, and the driver polls for its answer
// as Linux does. Class and command, data and ack each have a descriptor of their own, as legacy devices need it; on a ring of
// two the first of them has both.
import {
  VIRTIO_NET_CTRL_HDR_CLASS,
  VIRTIO_NET_CTRL_HDR_COMMAND,
  VIRTIO_NET_CTRL_HDR_SIZE,
  VIRTIO_NET_OK,
} from '../../assembly/abi/virtio_net.ts';
import { NicError } from '../util/errors.ts';
import { DeviceFaultError } from './device_fault.ts';
import type { Doorbell, DriverRing } from './driver_ring.ts';
import { ANSWER_WAITS, type Clock, type DmaMemory } from './platform.ts';

const DATA_BYTES = 4096;
/** Class and command, data, ack. */
const BUFFERS = 3;
/** What ack holds until the device has written it. */
const ACK_PENDING = 0xff;

/** Sends control commands and waits for their ack. */
export class ControlQueue {
  readonly ring: DriverRing;
  commands = 0;
  failures = 0;

  private readonly u8: Uint8Array;
  private readonly clock: Clock;
  private readonly doorbell: Doorbell;
  private readonly answerWaits: number;
  private readonly isJoined: boolean;
  private readonly headerAt: number;
  private readonly dataAt: number;
  private readonly ackAt: number;
  private readonly headerIova: number;
  private readonly dataIova: number;
  private readonly ackIova: number;

  constructor(ring: DriverRing, memory: DmaMemory, clock: Clock, doorbell: Doorbell, answerWaits = ANSWER_WAITS) {
    this.ring = ring;
    this.u8 = memory.u8;
    this.clock = clock;
    this.doorbell = doorbell;
    this.answerWaits = answerWaits;
    this.isJoined = ring.size < BUFFERS;
    this.headerAt = memory.alloc(VIRTIO_NET_CTRL_HDR_SIZE + (this.isJoined ? DATA_BYTES : 0), 8);
    this.dataAt = this.isJoined ? this.headerAt + VIRTIO_NET_CTRL_HDR_SIZE : memory.alloc(DATA_BYTES, 8);
    this.ackAt = memory.alloc(1, 8);
    this.headerIova = memory.iova(this.headerAt);
    this.dataIova = memory.iova(this.dataAt);
    this.ackIova = memory.iova(this.ackAt);
    this.start();
  }

  /** After the ring was cleared. */
  start(): void {
    this.ring.disableInterrupts();
  }

  /** True where the device answered VIRTIO_NET_OK. */
  command(commandClass: number, command: number, data: Uint8Array): boolean {
    if (data.length > DATA_BYTES)
      throw new NicError('CTRL_LENGTH', `${data.length} bytes of control data: at most ${DATA_BYTES}`);
    const { ring, u8 } = this;
    // A command that was given up has the buffers until the device returns it.
    while (ring.takeUsed() >= 0);
    if (ring.inFlight > 0) throw new NicError('RING_FULL', 'a control command is still unanswered');
    u8[this.headerAt + VIRTIO_NET_CTRL_HDR_CLASS] = commandClass;
    u8[this.headerAt + VIRTIO_NET_CTRL_HDR_COMMAND] = command;
    u8.set(data, this.dataAt);
    u8[this.ackAt] = ACK_PENDING;
    ring.push(this.headerIova, VIRTIO_NET_CTRL_HDR_SIZE + (this.isJoined ? data.length : 0), false);
    if (data.length > 0 && !this.isJoined) ring.push(this.dataIova, data.length, false);
    ring.push(this.ackIova, 1, true);
    if (ring.commit() < 0)
      throw new NicError('RING_FULL', `a ring of ${ring.size} descriptors takes no control command`);
    this.commands++;
    if (ring.publish()) this.doorbell.notify(ring.queue);
    for (let waits = 0; ring.takeUsed() < 0; waits++) {
      if (waits === this.answerWaits || (!this.clock.waitForEvent() && !ring.hasUsed())) {
        throw new DeviceFaultError('DEVICE_SILENT', `control command ${commandClass}/${command} is never answered`);
      }
    }
    const isOk = u8[this.ackAt] === VIRTIO_NET_OK;
    if (!isOk) this.failures++;
    return isOk;
  }
}
