// SPDX-License-Identifier: Apache-2.0
// Interrupts of one function to one client: the eventfds that SET_IRQS brings, by index and vector, and what an interrupt
// does when there is none. MSI-X: the client takes all vectors away and hands them out again whenever it enables one more,
// so what arrives in between is remembered. INTx: signalled once, then masked until the client unmasks it.
import {
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_STATUS,
  PCI_STATUS_INTERRUPT,
} from '../../assembly/abi/pci_header.ts';
import { F_GETFL, F_SETFL, O_NONBLOCK, type FileCalls } from '../native/libc.ts';
import type { DescriptorSet } from '../native/poller.ts';
import { VfioError } from '../util/errors.ts';
import {
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_REQ_IRQ_INDEX,
  type VfioDevice,
} from '../vfio/vfio_device.ts';
import {
  IRQ_SET_ACTION_MASK,
  IRQ_SET_ACTION_TRIGGER,
  IRQ_SET_ACTION_UNMASK,
  IRQ_SET_ACTIONS,
  IRQ_SET_DATA_BOOL,
  IRQ_SET_DATA_EVENTFD,
  IRQ_SET_DATA_MASK,
  IRQ_SET_DATA_NONE,
} from './protocol.ts';

const DATA_KINDS: readonly number[] = [IRQ_SET_DATA_NONE, IRQ_SET_DATA_BOOL, IRQ_SET_DATA_EVENTFD];
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
const NO_FD = -1;

/** SET_IRQS as the client sent it. */
export interface IrqRequest {
  readonly index: number;
  readonly flags: number;
  readonly start: number;
  readonly count: number;
  /** Of DATA_BOOL. */
  readonly bools: Uint8Array;
  /** Of DATA_EVENTFD; taken over where the request succeeds. */
  readonly fds: readonly number[];
}

/** Not an interrupt of the function, but word from the host. */
function isSignal(index: number): boolean {
  return index === VFIO_PCI_ERR_IRQ_INDEX || index === VFIO_PCI_REQ_IRQ_INDEX;
}

/** One interrupt of an index. */
interface Line {
  fd: number;
  /** Raised while nobody could be told. */
  isPending: boolean;
}

export class ClientIrqs {
  private readonly libc: FileCalls;
  private readonly poller: DescriptorSet;
  private readonly device: VfioDevice;
  private readonly lines: Line[][] = Array.from({ length: VFIO_PCI_NUM_IRQS }, () => []);
  private isIntxMasked = false;
  /** Signalled by the client to unmask INTx. */
  private unmaskFd = NO_FD;
  /** MSI-X was switched off by the client, and the device has not been told yet. */
  private isMsixOffPending = false;

  constructor(libc: FileCalls, poller: DescriptorSet, device: VfioDevice) {
    this.libc = libc;
    this.poller = poller;
    this.device = device;
  }

  /** Does what SET_IRQS asks. Throws VfioError; the descriptors are then still the caller's. */
  set(request: IrqRequest): void {
    const { index, flags, start, count } = request;
    this.check(request);
    if (index !== VFIO_PCI_MSIX_IRQ_INDEX) this.settle(); // INTx works once MSI-X is off
    if (count === 0) {
      this.disable(index);
      return;
    }
    const action = flags & IRQ_SET_ACTIONS;
    if ((flags & IRQ_SET_DATA_EVENTFD) !== 0) {
      if (action === IRQ_SET_ACTION_TRIGGER) this.assign(request);
      else this.assignUnmask(request.fds[0] ?? NO_FD);
      return;
    }
    if (index === VFIO_PCI_MSIX_IRQ_INDEX) this.settle();
    for (let i = 0; i < count; i++) {
      if ((flags & IRQ_SET_DATA_BOOL) !== 0 && request.bools[i] === 0) continue;
      if (action === IRQ_SET_ACTION_TRIGGER) this.signal(index, start + i);
      else if (action === IRQ_SET_ACTION_MASK) this.isIntxMasked = true;
      else this.unmaskIntx();
    }
  }

  /** Tells the device that MSI-X is off, if the client has switched it off and not on again. */
  settle(): void {
    if (!this.isMsixOffPending) return;
    this.isMsixOffPending = false;
    this.lines[VFIO_PCI_MSIX_IRQ_INDEX] = [];
    this.device.disableIrqs(VFIO_PCI_MSIX_IRQ_INDEX);
  }

  /** Takes every interrupt away from the client. */
  close(): void {
    for (let index = 0; index < VFIO_PCI_NUM_IRQS; index++) {
      if (this.lines[index]!.length > 0) this.disable(index);
    }
    this.settle();
    this.assignUnmask(NO_FD);
  }

  /** Linux checks in this order: the structure, whether the action exists for the index, what is set up. */
  private check(request: IrqRequest): void {
    const { index, flags, start, count, bools, fds } = request;
    const data = flags & IRQ_SET_DATA_MASK;
    const action = flags & IRQ_SET_ACTIONS;
    const info = this.device.irqInfo(index);
    if ((flags & ~(IRQ_SET_DATA_MASK | IRQ_SET_ACTIONS)) !== 0 || !DATA_KINDS.includes(data)) {
      throw new VfioError('EINVAL', `flags 0x${flags.toString(16)}: one kind of data and one action are needed`);
    }
    if (start >= info.count || start + count > info.count) {
      const last = start + count - 1;
      throw new VfioError('EINVAL', `interrupts ${start}..${last} of index ${index}: it has ${info.count}`);
    }
    if (data === IRQ_SET_DATA_BOOL && bools.length < count) {
      throw new VfioError('EINVAL', `${bools.length} booleans for ${count} interrupts`);
    }
    const wanted = data === IRQ_SET_DATA_EVENTFD && fds.length > 0 ? count : 0;
    if (fds.length !== wanted) {
      throw new VfioError('EINVAL', `${fds.length} file descriptors where ${wanted} are needed`);
    }
    const masks = action === IRQ_SET_ACTION_MASK || action === IRQ_SET_ACTION_UNMASK;
    if (action !== IRQ_SET_ACTION_TRIGGER && !(masks && (info.flags & VFIO_IRQ_INFO_MASKABLE) !== 0)) {
      throw new VfioError('ENOTTY', `index ${index} has no action 0x${action.toString(16)}`);
    }
    this.checkUse(request, data, action);
    for (const fd of fds) {
      if (!this.libc.isEventfd(fd)) throw new VfioError('EINVAL', 'a file descriptor that is no eventfd');
    }
  }

  /** Does the request make sense with what is set up? */
  private checkUse({ index, count }: IrqRequest, data: number, action: number): void {
    const isOn = this.isOn(index);
    if (action === IRQ_SET_ACTION_MASK && data === IRQ_SET_DATA_EVENTFD && isOn && count === 1) {
      throw new VfioError('ENOTTY', 'an eventfd that masks is not offered');
    }
    if (count === 0 && (data !== IRQ_SET_DATA_NONE || action !== IRQ_SET_ACTION_TRIGGER)) {
      throw new VfioError('EINVAL', 'without interrupts, only the whole index can be switched off');
    }
    const isSetUp = action === IRQ_SET_ACTION_TRIGGER && data === IRQ_SET_DATA_EVENTFD;
    // a signal without a listener can be switched off, and triggered with booleans, without effect
    if (!isSetUp && !isOn && !(isSignal(index) && data === IRQ_SET_DATA_BOOL)) {
      throw new VfioError('EINVAL', `interrupt index ${index} is not set up; give it eventfds first`);
    }
    const other = index === VFIO_PCI_INTX_IRQ_INDEX ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX;
    if (isSetUp && !isSignal(index) && this.isOn(other)) {
      throw new VfioError('EINVAL', `interrupt index ${other} is in use, which excludes ${index}; switch it off first`);
    }
  }

  private isOn(index: number): boolean {
    const [first] = this.lines[index]!;
    if (isSignal(index)) return first !== undefined && first.fd !== NO_FD;
    return first !== undefined && !(index === VFIO_PCI_MSIX_IRQ_INDEX && this.isMsixOffPending);
  }

  private assign({ index, start, count, fds }: IrqRequest): void {
    const lines = this.lines[index]!;
    while (lines.length < start + count) lines.push({ fd: NO_FD, isPending: false });
    for (let i = 0; i < count; i++) {
      const fd = fds[i] ?? NO_FD;
      // a counter that is full must not stop us
      if (fd !== NO_FD) this.libc.fcntl(fd, F_SETFL, this.libc.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
      this.replace(lines[start + i]!, fd);
    }
    if (index === VFIO_PCI_MSIX_IRQ_INDEX) {
      this.isMsixOffPending = false;
      const handlers = Array.from({ length: count }, (_, i) => () => this.signal(index, start + i));
      this.device.setIrqs(index, start, handlers);
    } else if (index === VFIO_PCI_INTX_IRQ_INDEX) {
      this.device.setIrqs(index, start, [() => this.raiseIntx()]);
      this.unmaskIntx();
    }
    for (let i = start; i < start + count; i++) {
      const line = lines[i]!;
      if (line.isPending && line.fd !== NO_FD) this.signal(index, i);
    }
  }

  private disable(index: number): void {
    for (const line of this.lines[index]!) this.replace(line, NO_FD);
    if (index === VFIO_PCI_MSIX_IRQ_INDEX) {
      this.isMsixOffPending = this.lines[index]!.length > 0;
      return;
    }
    this.lines[index] = [];
    this.device.disableIrqs(index);
    if (index === VFIO_PCI_INTX_IRQ_INDEX) this.assignUnmask(NO_FD);
  }

  private signal(index: number, vector: number): void {
    const line = this.lines[index]![vector];
    if (line === undefined) return;
    line.isPending = line.fd === NO_FD;
    if (line.fd !== NO_FD) this.libc.write(line.fd, ONE, ONE.length);
  }

  private raiseIntx(): void {
    if (this.isIntxMasked) return; // the level is looked at again when it is unmasked
    this.isIntxMasked = true;
    this.signal(VFIO_PCI_INTX_IRQ_INDEX, 0);
  }

  private unmaskIntx(): void {
    this.isIntxMasked = false;
    const command = this.device.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2);
    const status = this.device.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_STATUS, 2);
    const isDisabled = (command & PCI_COMMAND_INTX_DISABLE) !== 0;
    if (!isDisabled && (status & PCI_STATUS_INTERRUPT) !== 0) this.raiseIntx();
  }

  private assignUnmask(fd: number): void {
    if (this.unmaskFd !== NO_FD) {
      this.poller.remove(this.unmaskFd);
      this.libc.close(this.unmaskFd);
    }
    this.unmaskFd = fd;
    if (fd === NO_FD) return;
    this.libc.fcntl(fd, F_SETFL, this.libc.fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
    const count = new Uint8Array(8);
    this.poller.add(fd, () => {
      this.libc.read(fd, count, count.length);
      this.unmaskIntx();
    });
  }

  private replace(line: Line, fd: number): void {
    if (line.fd !== NO_FD) this.libc.close(line.fd);
    line.fd = fd;
  }
}
