// SPDX-License-Identifier: Apache-2.0
// What each command of a client does to the device. A command checks its message, acts, and answers once; VfioError is
// the answer of one that is refused. File descriptors that stay in the message are closed behind it.
import { VfioError } from '../util/errors.ts';
import {
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  type AccessSize,
  type VfioDevice,
} from '../vfio/vfio_device.ts';
import type { Message } from './connection.ts';
import type { DmaMap } from './dma_map.ts';
import type { ClientIrqs } from './irqs.ts';
import * as P from './protocol.ts';

/** What commands work on. */
export interface CommandContext {
  readonly device: VfioDevice;
  readonly dma: DmaMap;
  readonly irqs: ClientIrqs;
}

/** Sends the reply; `fill` writes its payload. */
type Answer = (bytes: number, fill?: (payload: DataView) => void) => void;
type Command = (message: Message, context: CommandContext, answer: Answer) => void;

function refuse(why: string): never {
  throw new VfioError('EINVAL', why);
}

/** Payload with at least `bytes`, whose argsz says at least as much where it has one. */
function payloadOf({ payload }: Message, bytes: number, hasArgsz = true): DataView {
  if (payload.byteLength < bytes) refuse(`a payload of ${payload.byteLength} bytes; ${bytes} are needed`);
  if (hasArgsz && payload.getUint32(P.ARGSZ, true) < bytes) refuse(`argsz below ${bytes}`);
  return payload;
}

/** A 64-bit field; beyond 2^53 it is no number that anybody here could mean. */
function wide(payload: DataView, offset: number): number {
  const value = payload.getBigUint64(offset, true);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? refuse(`0x${value.toString(16)} is beyond 2^53`) : Number(value);
}

function bytesOf(payload: DataView, offset: number, length = payload.byteLength - offset): Uint8Array {
  return new Uint8Array(payload.buffer, payload.byteOffset + offset, length);
}

const dmaMap: Command = (message, { dma }, answer) => {
  const payload = payloadOf(message, P.DMA_MAP_BYTES);
  const flags = payload.getUint32(P.FLAGS, true);
  const known = P.DMA_MAP_FLAG_READ | P.DMA_MAP_FLAG_WRITE | P.DMA_MAP_FLAG_MMAP | P.DMA_MAP_FLAG_FILE_IO;
  if ((flags & ~known) !== 0) refuse(`flags 0x${flags.toString(16)} do not exist`);
  if (message.fds.length > 1) refuse(`${message.fds.length} file descriptors for one range`);
  dma.map({
    address: wide(payload, P.DMA_MAP_ADDRESS),
    size: wide(payload, P.DMA_MAP_SIZE),
    isReadable: (flags & P.DMA_MAP_FLAG_READ) !== 0,
    isWritable: (flags & P.DMA_MAP_FLAG_WRITE) !== 0,
    fd: message.fds[0] ?? -1,
    fileOffset: wide(payload, P.DMA_MAP_OFFSET),
    isFileIo: (flags & P.DMA_MAP_FLAG_FILE_IO) !== 0,
  });
  message.fds.length = 0; // the range has it
  answer(0);
};

/** Behind every mapping: none ends beyond the last whole number that is exact. */
const BEYOND_MAPPINGS = 2n ** 53n;

/** As type 1 version 2 of Linux does: all mappings that lie inside go, however large the range; one that is cut stays. */
const dmaUnmap: Command = (message, { dma }, answer) => {
  const payload = payloadOf(message, P.DMA_UNMAP_BYTES);
  const flags = payload.getUint32(P.FLAGS, true);
  const address = payload.getBigUint64(P.DMA_UNMAP_ADDRESS, true);
  const size = payload.getBigUint64(P.DMA_UNMAP_SIZE, true);
  let unmapped = 0;
  if (flags === P.DMA_UNMAP_FLAG_ALL) {
    if (address !== 0n || size !== 0n) refuse('everything is unmapped with address and size 0');
    dma.clear();
  } else if (flags !== 0) {
    refuse(`flags 0x${flags.toString(16)}: dirty pages are not tracked`);
  } else {
    const end = address + size;
    if (size === 0n || end > 2n ** 64n) refuse(`${size} bytes at 0x${address.toString(16)} are no range`);
    const below = (bound: bigint): number => Number(bound < BEYOND_MAPPINGS ? bound : BEYOND_MAPPINGS);
    unmapped = dma.unmap(below(address), below(end));
  }
  answer(P.DMA_UNMAP_BYTES, (reply) => {
    bytesOf(reply, 0).set(bytesOf(payload, 0, P.DMA_UNMAP_BYTES));
    reply.setBigUint64(P.DMA_UNMAP_SIZE, BigInt(unmapped), true);
  });
};

const getInfo: Command = (message, { device }, answer) => {
  payloadOf(message, P.INFO_BYTES);
  const { flags, numRegions, numIrqs } = device.info();
  answer(P.INFO_BYTES, (reply) => {
    reply.setUint32(P.ARGSZ, P.INFO_BYTES, true);
    reply.setUint32(P.FLAGS, flags, true);
    reply.setUint32(P.INFO_NUM_REGIONS, numRegions, true);
    reply.setUint32(P.INFO_NUM_IRQS, numIrqs, true);
  });
};

const getRegionInfo: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.REGION_INFO_BYTES);
  const { index, flags, size } = device.regionInfo(payload.getUint32(P.REGION_INFO_INDEX, true));
  answer(P.REGION_INFO_BYTES, (reply) => {
    reply.setUint32(P.ARGSZ, P.REGION_INFO_BYTES, true);
    // registers act when they are touched; capabilities tell how to map
    reply.setUint32(P.FLAGS, flags & ~(VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS), true);
    reply.setUint32(P.REGION_INFO_INDEX, index, true);
    reply.setBigUint64(P.REGION_INFO_SIZE, BigInt(size), true);
  });
};

/** No register is served by a file descriptor: the list is empty. */
const getRegionIoFds: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.IO_FDS_BYTES);
  if (payload.getUint32(P.FLAGS, true) !== 0) refuse('flags have to be 0');
  const { index } = device.regionInfo(payload.getUint32(P.IO_FDS_INDEX, true));
  answer(P.IO_FDS_BYTES, (reply) => {
    reply.setUint32(P.ARGSZ, P.IO_FDS_BYTES, true);
    reply.setUint32(P.IO_FDS_INDEX, index, true);
  });
};

const getIrqInfo: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.IRQ_INFO_BYTES);
  const { index, flags, count } = device.irqInfo(payload.getUint32(P.IRQ_INFO_INDEX, true));
  answer(P.IRQ_INFO_BYTES, (reply) => {
    reply.setUint32(P.ARGSZ, P.IRQ_INFO_BYTES, true);
    reply.setUint32(P.FLAGS, flags, true);
    reply.setUint32(P.IRQ_INFO_INDEX, index, true);
    reply.setUint32(P.IRQ_INFO_COUNT, count, true);
  });
};

const setIrqs: Command = (message, { irqs }, answer) => {
  const payload = payloadOf(message, P.SET_IRQS_DATA);
  irqs.set({
    index: payload.getUint32(P.SET_IRQS_INDEX, true),
    flags: payload.getUint32(P.FLAGS, true),
    start: payload.getUint32(P.SET_IRQS_START, true),
    count: payload.getUint32(P.SET_IRQS_COUNT, true),
    bools: bytesOf(payload, P.SET_IRQS_DATA),
    fds: message.fds,
  });
  message.fds.length = 0;
  answer(0);
};

/** Region, offset and count of an access whose data lies inside the message. */
function accessOf(payload: DataView, at: number, dataMax: number): { region: number; offset: number; count: number } {
  const region = payload.getUint32(at + P.REGION_INDEX, true);
  const count = payload.getUint32(at + P.REGION_COUNT, true);
  if (count === 0 || count > dataMax) refuse(`an access of ${count} bytes; 1..${dataMax} are possible`);
  return { region, offset: wide(payload, at + P.REGION_OFFSET), count };
}

function isRegister(offset: number, count: number): count is AccessSize {
  return (count === 4 || count === 2 || count === 1) && offset % count === 0;
}

const regionRead: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.REGION_DATA, false);
  const { region, offset, count: wanted } = accessOf(payload, 0, P.MAX_DATA_XFER_BYTES);
  if (isRegister(offset, wanted)) {
    const value = device.read(region, offset, wanted);
    answer(P.REGION_DATA + wanted, (reply) => {
      fillAccess(reply, region, offset, wanted);
      for (let i = 0; i < wanted; i++) reply.setUint8(P.REGION_DATA + i, value >>> (8 * i));
    });
    return;
  }
  reach(device, region, offset, wanted); // before a buffer is made for it
  const data = new Uint8Array(wanted);
  const count = device.readBytes(region, offset, data);
  answer(P.REGION_DATA + count, (reply) => {
    fillAccess(reply, region, offset, count);
    bytesOf(reply, P.REGION_DATA).set(data.subarray(0, count));
  });
};

const regionWrite: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.REGION_DATA, false);
  const { region, offset, count: wanted } = accessOf(payload, 0, payload.byteLength - P.REGION_DATA);
  const data = bytesOf(payload, P.REGION_DATA, wanted).slice();
  const count = writeRegion(device, region, offset, data);
  answer(P.REGION_DATA, (view) => fillAccess(view, region, offset, count));
};

const regionWriteMulti: Command = (message, { device }, answer) => {
  const payload = payloadOf(message, P.MULTI_WRITES, false);
  const writes = wide(payload, 0);
  if (payload.byteLength !== P.MULTI_WRITES + writes * P.MULTI_WRITE_BYTES)
    refuse(`${writes} writes of another length`);
  const accesses = Array.from({ length: writes }, (_, i) => {
    const at = P.MULTI_WRITES + i * P.MULTI_WRITE_BYTES;
    const access = accessOf(payload, at, P.MULTI_DATA_MAX);
    reach(device, access.region, access.offset, access.count);
    return { ...access, data: bytesOf(payload, at + P.REGION_DATA, access.count).slice() };
  });
  for (const { region, offset, data } of accesses) writeRegion(device, region, offset, data);
  answer(P.MULTI_WRITES, (view) => view.setBigUint64(0, BigInt(writes), true));
};

function fillAccess(reply: DataView, region: number, offset: number, count: number): void {
  reply.setBigUint64(P.REGION_OFFSET, BigInt(offset), true);
  reply.setUint32(P.REGION_INDEX, region, true);
  reply.setUint32(P.REGION_COUNT, count, true);
}

/** Bytes of a range that an access gets, as pread(2) and pwrite(2) of a vfio device say: fewer where a BAR ends. */
function reach(device: VfioDevice, region: number, offset: number, count: number): number {
  const { size } = device.regionInfo(region);
  const isConfig = region === VFIO_PCI_CONFIG_REGION_INDEX;
  if (offset < size && !(isConfig && offset + count > size)) return Math.min(count, size - offset);
  const why = `${count} bytes at 0x${offset.toString(16)}: region ${region} has ${size}`;
  throw new VfioError(isConfig ? 'EFAULT' : 'EINVAL', why);
}

/** Bytes that were written. */
function writeRegion(device: VfioDevice, region: number, offset: number, data: Uint8Array): number {
  const { length } = data;
  if (!isRegister(offset, length)) return device.writeBytes(region, offset, data);
  let value = 0;
  for (let i = 0; i < length; i++) value |= data[i]! << (8 * i);
  device.write(region, offset, length, value >>> 0);
  return length;
}

const reset: Command = (_message, { device }, answer) => {
  device.reset();
  answer(0);
};

/** Nothing of migration and dirty page logging is offered: no feature exists. */
const noFeature: Command = () => {
  throw new VfioError('ENOTTY', 'the device has no such feature');
};

const again: Command = () => refuse('the version has been agreed on');

/** By number. */
export const DEVICE_COMMANDS: ReadonlyMap<number, Command> = new Map([
  [P.VFIO_USER_VERSION, again],
  [P.VFIO_USER_DMA_MAP, dmaMap],
  [P.VFIO_USER_DMA_UNMAP, dmaUnmap],
  [P.VFIO_USER_DEVICE_GET_INFO, getInfo],
  [P.VFIO_USER_DEVICE_GET_REGION_INFO, getRegionInfo],
  [P.VFIO_USER_DEVICE_GET_REGION_IO_FDS, getRegionIoFds],
  [P.VFIO_USER_DEVICE_GET_IRQ_INFO, getIrqInfo],
  [P.VFIO_USER_DEVICE_SET_IRQS, setIrqs],
  [P.VFIO_USER_REGION_READ, regionRead],
  [P.VFIO_USER_REGION_WRITE, regionWrite],
  [P.VFIO_USER_DEVICE_RESET, reset],
  [P.VFIO_USER_REGION_WRITE_MULTI, regionWriteMulti],
  [P.VFIO_USER_DEVICE_FEATURE, noFeature],
  [P.VFIO_USER_MIG_DATA_READ, noFeature],
  [P.VFIO_USER_MIG_DATA_WRITE, noFeature],
]);
