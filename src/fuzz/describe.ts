// SPDX-License-Identifier: Apache-2.0
// Programs in words: one line for each operation, registers by their names.
import {
  COMMON_BAR_OFFSET,
  DEVICE_BAR_OFFSET,
  ISR_BAR_OFFSET,
  NOTIFY_BAR_OFFSET,
} from '../../assembly/abi/config_layout.ts';
import { MSIX_BAR, MSIX_PBA_OFFSET, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { COMMON_SIZE } from '../../assembly/abi/virtio_pci_common.ts';
import { findRegisterBlock } from '../registers/blocks.ts';
import { FUNCTIONS, MAPPED_BYTES, SLICE_BYTES } from './layout.ts';
import { decodeProgram, type Operation } from './program.ts';

const QUEUE_NAMES = ['rx', 'tx', 'control', 'admin'];
const MSIX_FIELDS = ['address', 'address_hi', 'data', 'control'];
const PLACES = [
  'null',
  'all ones',
  'the virtio BAR',
  'the MSI-X BAR',
  'the end of memory',
  'its indirect table',
  'filled memory',
  'its own table',
];

const hex = (value: number): string => `0x${value.toString(16)}`;
const functionName = (fn: number): string => (fn % FUNCTIONS === 0 ? 'PF' : `VF ${fn % FUNCTIONS}`);
const queueName = (q: number): string => QUEUE_NAMES[q] ?? `queue ${q}`;
const sizeOf = (code: number): number => 1 << Math.min(2, code & 3);

export function registerName(bar: number, offset: number): string {
  if (bar === MSIX_BAR) {
    return offset < MSIX_PBA_OFFSET ? `msix[${offset >> 4}].${MSIX_FIELDS[(offset >> 2) & 3]}` : 'msix pba';
  }
  if (bar !== VIRTIO_BAR) return `BAR${bar}+${hex(offset)}`;
  if (offset < COMMON_SIZE) return nameIn('virtio_pci_common_cfg', offset - COMMON_BAR_OFFSET);
  if (offset === ISR_BAR_OFFSET) return 'isr';
  if (offset >= NOTIFY_BAR_OFFSET && offset < NOTIFY_BAR_OFFSET + 0x1000)
    return `notify+${hex(offset - NOTIFY_BAR_OFFSET)}`;
  if (offset >= DEVICE_BAR_OFFSET && offset < NOTIFY_BAR_OFFSET)
    return nameIn('virtio_net_config', offset - DEVICE_BAR_OFFSET);
  return `BAR2+${hex(offset)}`;
}

function nameIn(block: string, offset: number): string {
  const found = findRegisterBlock(block)?.registers.find(
    (row) => offset >= row.offset && offset < row.offset + row.width,
  );
  if (found === undefined) return `${block}+${hex(offset)}`;
  return offset === found.offset ? found.name : `${found.name}+${offset - found.offset}`;
}

/** One operation in words. */
export function describeOperation({ name, fn, a, b, offset, value, value2 }: Operation): string {
  const who = functionName(fn);
  const size = sizeOf(a);
  switch (name) {
    case 'configRead':
      return `${who}: read ${size} of config ${hex(offset & 0xfff & -size)}`;
    case 'configWrite':
      return `${who}: write ${size} of config ${hex(offset & 0xfff & -size)} = ${hex(value)}`;
    case 'mmioRead':
      return `${who}: read ${size} of ${registerName(b % 6, offset & 0x7fff & -size)}`;
    case 'mmioWrite':
      return `${who}: write ${size} of ${registerName(b % 6, offset & 0x7fff & -size)} = ${hex(value)}`;
    case 'memory':
      return `${who}: memory ${hex(offset % MAPPED_BYTES)} = ${1 << (a & 3)} bytes of ${hex(value)} ${hex(value2)}`;
    case 'descriptor':
    case 'indirect': {
      const place = offset >= 0x80000000 ? PLACES[offset & 7]! : hex(offset % SLICE_BYTES);
      const flags = ['NEXT', 'WRITE', 'INDIRECT'].filter((_, bit) => (value2 >>> bit) & 1).join('|') || '0';
      const table = name === 'descriptor' ? '' : 'indirect ';
      return `${who}: ${queueName(b & 3)} ${table}descriptor ${a} = ${place}, ${value} bytes, ${flags}, next ${value2 >>> 16}`;
    }
    case 'available':
      return `${who}: ${queueName(b & 3)} head ${value & 0xffff} available${a > 127 ? `, index jumps by ${a - 127}` : ''}`;
    case 'kick':
      return `${who}: doorbell ${(a & 1) === 0 ? queueName(b & 7) : `${b & 7} = ${hex(value)}`}`;
    case 'queueSetup': {
      const odd = [
        (a & 1) === 0 ? '' : `, size ${value & 0xffff}`,
        (a & 2) === 0 ? '' : `, moved by ${hex(value2)}`,
        (a & 4) === 0 ? '' : `, vector ${offset & 0xffff}`,
      ].join('');
      return `${who}: set up ${queueName(b & 3)}${odd}`;
    }
    case 'queueReset':
      return `${who}: reset ${queueName(b & 3)}`;
    case 'bringUp':
      return `${who}: reset, negotiate what is offered of ${hex(value)} ${hex(value2)}`;
    case 'driverOk':
      return `${who}: DRIVER_OK`;
    case 'admin': {
      const room = ['', ', room for the status only', ', room for 4 bytes', ', no room for an answer'][b & 3]!;
      const cut = ['', ', no data', ', cut to 20 bytes', ', cut to 12 bytes'][(b >>> 2) & 3]!;
      const opcode = hex(a + (b & 0x80) * 0x100);
      return `admin command ${opcode}, group ${offset & 15}, member ${offset >>> 16}, data ${hex(value)} ${hex(value2)}${cut}${room}`;
    }
    case 'legacy': {
      const kind = ['common write', 'common read', 'device write', 'device read', 'notify info'][a % 5]!;
      return `legacy ${kind}, member ${b}, offset ${offset & 0xff}, ${(offset >>> 8) & 0x1f} bytes, ${hex(value)} ${hex(value2)}`;
    }
    case 'control':
      return `${who}: control class ${a} command ${b}, ${offset % 65} bytes of ${hex(value)} ${hex(value2)}`;
    case 'receive':
      return `${who}: ${(a & 7) + 1} receive buffers`;
    case 'transmit':
      return `${who}: send ${offset % 0x140} bytes to ${destination(a)}${b === 0 ? '' : `, header flags ${hex(b)}`}`;
    case 'advance':
      return `wait ${value % 0x10000} cycles`;
    case 'frame':
      return `a frame of ${14 + (offset % 1586)} bytes arrives for ${destination(a)}`;
    case 'flr':
      return `${who}: function level reset`;
    case 'vfEnable':
      return `NumVFs = ${a % (FUNCTIONS + 1)}`;
    case 'readFault':
      return `the next ${b & 3} completions: ${['unsupported request', 'poisoned', 'lost'][a % 3]}`;
    case 'attach':
      return `${who}: memory ${['mapped', 'detached', 'mapped read-only', 'not mapped'][a & 3]}`;
    case 'fill':
      return `${who}: memory that is filled as it is read, seed ${hex(value)}`;
    case 'region':
      return `${who}: region ${a % 12}, ${(b & 0x10) === 0 ? 'read' : (b & 0x20) === 0 ? 'readBytes' : 'write'} of ${b & 15} at ${hex(offset)}`;
  }
}

function destination(code: number): string {
  const kind = code % 8;
  if (kind < FUNCTIONS) return functionName(kind);
  return ['broadcast', 'a group', 'a stranger', 'itself'][kind - FUNCTIONS]!;
}

/** A program in words. */
export function describeProgram(input: Uint8Array): string[] {
  const { isTimed, operations } = decodeProgram(input);
  return [`mode ${isTimed ? 'timed' : 'functional'}`, ...operations.map(describeOperation)];
}
