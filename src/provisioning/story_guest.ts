// SPDX-License-Identifier: Apache-2.0
// The guests of the story: an iommufd of their own with memory in an IOAS, a driver, and frames to and from the wire.
import { VirtioNetLegacy } from '../guest/virtio_net_legacy.ts';
import { IommufdContext } from '../iommufd/context.ts';
import type { DmaBuffer } from '../iommufd/dma_buffer.ts';
import { FrameCheck } from '../machine/frame_check.ts';
import { DRIVER_MEMORY_BYTES } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { VFIO_PCI_REQ_IRQ_INDEX } from '../vfio/vfio_device.ts';
import { guestMemory } from './guest_memory.ts';
import type { SriovLifecycle } from './sriov_lifecycle.ts';
import type { Pending } from './tasks.ts';
import type { VfioFile } from './vfio_file.ts';

const FRAMES = 32;
const FRAME_BYTES = 200;
/** A station beyond the wire. */
const STRANGER = Uint8Array.of(0x02, 0xaa, 0, 0, 0, 1);
const ETHERTYPE = Uint8Array.of(0x88, 0xb5); // local experiments

/** One user of a vfio device. */
export class StoryGuest {
  readonly context: IommufdContext;
  readonly ioas: number;
  readonly file: VfioFile;
  private readonly host: SriovLifecycle;
  private readonly memory: DmaBuffer;
  private onReceive: (frame: Uint8Array) => void = () => {};
  private driver: VirtioNetLegacy | null = null;
  private requests = 0;

  /** Opens nothing: `file` is a file of the device's node. It is bound to an iommufd of its own, which is ready to be attached. */
  constructor(host: SriovLifecycle, file: VfioFile) {
    const { nic } = host.machine;
    this.host = host;
    this.file = file;
    this.context = new IommufdContext(nic);
    this.ioas = this.context.ioasAlloc();
    this.memory = guestMemory(nic, this.context, this.ioas, DRIVER_MEMORY_BYTES);
    file.bind(this.context);
    file.setIrqs(VFIO_PCI_REQ_IRQ_INDEX, 0, [() => this.requests++]);
  }

  attach(): void {
    this.file.attach({ id: this.ioas });
  }

  /** Brings its legacy driver up, which knows an I/O BAR and nothing else. */
  start(): void {
    const { machine } = this.host;
    const onReceive = (bytes: Uint8Array, offset: number, length: number): void => {
      this.onReceive(bytes.subarray(offset, offset + length));
    };
    this.driver = new VirtioNetLegacy(this.file, this.memory, machine.clock, { onReceive });
    this.driver.start();
    machine.settle(); // its receive buffers are with the card before the first frame comes
  }

  /** Sends frames to the wire and takes as many from it; every byte has to come as it was sent. */
  exchange(): string {
    const { nic } = this.host.machine;
    const { mac } = this.driver!;
    const checks = { out: new FrameCheck(), in: new FrameCheck() };
    nic.onFrame((frame) => checks.out.received(frame));
    this.onReceive = (frame) => checks.in.received(frame);
    for (let i = 0; i < FRAMES; i++) {
      const [sent, arriving] = [makeFrame(STRANGER, mac, i), makeFrame(mac, STRANGER, i)];
      checks.out.sent(sent);
      checks.in.sent(arriving);
      if (!this.driver!.send(sent)) throw new NicError('LIFECYCLE', 'the transmit ring is full');
      nic.receiveFrame(arriving);
      nic.runToIdle();
    }
    nic.onFrame(null);
    for (const [way, { underWay, altered, reordered }] of Object.entries(checks)) {
      if (underWay + altered + reordered === 0) continue;
      const counts = `${underWay} lost, ${altered} altered, ${reordered} out of order`;
      throw new NicError('LIFECYCLE', `of ${FRAMES} frames on the way ${way}: ${counts}`);
    }
    return `${FRAMES} frames out, ${FRAMES} in, every byte as sent`;
  }

  /** Somebody takes the device away: the user has been asked, and lets go now. */
  letGo(call: Pending): string {
    const wasAsleep = !call.isDone;
    const { requests } = this;
    this.driver!.stop();
    this.file.close();
    this.context.close();
    if (!wasAsleep || requests === 0 || !call.isDone || call.error !== undefined) {
      throw new NicError('LIFECYCLE', `${requests} requests for release; the caller did not sleep, or sleeps on`);
    }
    return 'the user was asked at once; the caller slept until the file was closed';
  }
}

function makeFrame(to: Uint8Array, from: Uint8Array, seed: number): Uint8Array {
  const frame = Uint8Array.from({ length: FRAME_BYTES }, (_, i) => i + seed);
  frame.set(to, 0);
  frame.set(from, 6);
  frame.set(ETHERTYPE, 12);
  return frame;
}
