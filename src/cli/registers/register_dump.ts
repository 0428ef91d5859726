// SPDX-License-Identifier: Apache-2.0
// Reads every register of a function that can be read without changing it, and decodes it by the one declaration in
// src/registers. Selectors are moved and put back; registers that reading clears are left out, and the section says so.
import {
  CAP_MSIX,
  COMMON_BAR_OFFSET,
  DEVICE_BAR_OFFSET,
  ISR_BAR_OFFSET,
  MSIX_BAR,
  MSIX_TABLE_OFFSET,
  VIRTIO_BAR,
} from '../../../assembly/abi/config_layout.ts';
import {
  VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ,
  VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ,
  VIRTIO_ADMIN_GROUP_TYPE_SRIOV,
  VIRTIO_ADMIN_STATUS_OK,
} from '../../../assembly/abi/virtio_admin.ts';
import {
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_QSIZE_MASK,
} from '../../../assembly/abi/pci_msix.ts';
import * as features from '../../../assembly/abi/virtio_features.ts';
import * as net from '../../../assembly/abi/virtio_net.ts';
import {
  COMMON_DEVICE_FEATURE,
  COMMON_DEVICE_FEATURE_SELECT,
  COMMON_DRIVER_FEATURE_SELECT,
  COMMON_NUM_QUEUES,
  COMMON_ADMIN_QUEUE_INDEX,
  COMMON_ADMIN_QUEUE_NUM,
  COMMON_QUEUE_SELECT,
} from '../../../assembly/abi/virtio_pci_common.ts';
import { LEGACY_SIZE_WITHOUT_MSIX } from '../../../assembly/abi/virtio_pci_legacy.ts';
import type { Nic } from '../../device/nic.ts';
import type { AdminClient } from '../../guest/admin_client.ts';
import { findRegisterBlock } from '../../registers/blocks.ts';
import { decodeBlock, type DecodedBits, type DecodedRegister } from '../../registers/decode.ts';
import type { RegisterBlock, RegisterDescriptor } from '../../registers/describe.ts';
import { NicError } from '../../util/errors.ts';
import { ConfigSpace, hex } from './config_space.ts';

/** One structure of a function with what its registers hold. */
export interface RegisterSection {
  readonly block: string;
  /** Which of several of the kind, and what a reader should know. */
  readonly title: string;
  /** Where it lies, or how it was reached. */
  readonly place: string;
  readonly registers: readonly DecodedRegister[];
}

/** All of a function; `admin` reaches the legacy registers of a VF. */
export function dumpFunction(nic: Nic, fn: number, admin: AdminClient | null): RegisterSection[] {
  const config = new ConfigSpace((at) => nic.configRead(fn, at, 4));
  return [
    ...configSections(config, fn),
    ...commonSections(nic, fn),
    ...barSection(nic, fn, 'virtio_pci_isr', ISR_BAR_OFFSET),
    ...barSection(nic, fn, 'virtio_net_config', DEVICE_BAR_OFFSET),
    ...msixSections(nic, fn, config),
    ...(admin === null ? [] : legacySections(nic, fn, admin)),
  ];
}

function configSections(config: ConfigSpace, fn: number): RegisterSection[] {
  const header = blockOf(fn === 0 ? 'pci_header' : 'pci_vf_header');
  const sections = [sectionOf(header, '', 'configuration space', config.bytes)];
  for (const { offset, block, name } of config.capabilities) {
    if (block === null) continue;
    const known = blockOf(fn > 0 && block === 'pci_express' ? 'pci_vf_express' : block);
    const title = name.startsWith('virtio') ? name : '';
    sections.push(sectionOf(known, title, `configuration space + ${hex(offset)}`, config.bytes.subarray(offset)));
  }
  return sections;
}

function commonSections(nic: Nic, fn: number): RegisterSection[] {
  const block = blockOf('virtio_pci_common_cfg');
  const at = (offset: number): number => COMMON_BAR_OFFSET + offset;
  const read = (offset: number, size: number): number => nic.read(fn, VIRTIO_BAR, at(offset), size);
  const write = (offset: number, size: number, value: number): void =>
    nic.write(fn, VIRTIO_BAR, at(offset), size, value);
  const found = SELECTORS.map(([offset, size]) => read(offset, size));
  const place = `BAR${VIRTIO_BAR} + ${hex(COMMON_BAR_OFFSET, 4)}`;
  const dump = (title: string, pick: (name: string) => boolean): RegisterSection => {
    const section = sectionOf(block, title, place, bytesOf(block, read));
    return { ...section, registers: section.registers.filter(({ name }) => pick(name)) };
  };

  const sections = [dump('', (name) => !isOfQueue(name) && !isFeature(name))];
  for (let word = 0; word < features.FEATURE_WORDS; word++) {
    write(COMMON_DEVICE_FEATURE_SELECT, 4, word);
    write(COMMON_DRIVER_FEATURE_SELECT, 4, word);
    if (read(COMMON_DEVICE_FEATURE, 4) === 0) continue;
    const section = dump(`feature bits ${32 * word} to ${32 * word + 31}`, isFeature);
    sections.push({ ...section, registers: section.registers.map((register) => withFeatureNames(register, word)) });
  }
  const queues = Array.from({ length: read(COMMON_NUM_QUEUES, 2) }, (_, queue) => queue);
  if (read(COMMON_ADMIN_QUEUE_NUM, 2) > 0) queues.push(read(COMMON_ADMIN_QUEUE_INDEX, 2));
  for (const queue of queues) {
    write(COMMON_QUEUE_SELECT, 2, queue);
    sections.push(dump(`queue ${queue}`, isOfQueue));
  }
  SELECTORS.forEach(([offset, size], i) => write(offset, size, found[i]!));
  return sections;
}

const SELECTORS = [
  [COMMON_DEVICE_FEATURE_SELECT, 4],
  [COMMON_DRIVER_FEATURE_SELECT, 4],
  [COMMON_QUEUE_SELECT, 2],
] as const;

function isOfQueue(name: string): boolean {
  return name.startsWith('queue_');
}

function isFeature(name: string): boolean {
  return name === 'device_feature' || name === 'driver_feature';
}

function msixSections(nic: Nic, fn: number, config: ConfigSpace): RegisterSection[] {
  const block = blockOf('pci_msix_entry');
  const vectors = (config.u16(CAP_MSIX + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE_MASK) + 1;
  return Array.from({ length: vectors }, (_, vector) => {
    const at = MSIX_TABLE_OFFSET + vector * PCI_MSIX_ENTRY_SIZE;
    const bytes = bytesOf(block, (offset, size) => nic.read(fn, MSIX_BAR, at + offset, size));
    return sectionOf(block, `vector ${vector}`, `BAR${MSIX_BAR} + ${hex(at, 4)}`, bytes);
  });
}

function barSection(nic: Nic, fn: number, name: string, at: number): RegisterSection[] {
  const block = blockOf(name);
  const bytes = bytesOf(block, (offset, size) => nic.read(fn, VIRTIO_BAR, at + offset, size));
  return [sectionOf(block, '', `BAR${VIRTIO_BAR} + ${hex(at, 4)}`, bytes)];
}

/** Each register by an admin command of the PF, as the variant driver reads it for a legacy guest. */
function legacySections(nic: Nic, fn: number, admin: AdminClient): RegisterSection[] {
  const readBy =
    (opcode: number) =>
    (offset: number, size: number): number => {
      const data = Uint8Array.of(offset, 0, 0, 0, 0, 0, 0, 0);
      const answer = admin.exec(opcode, VIRTIO_ADMIN_GROUP_TYPE_SRIOV, fn, data, size);
      if (answer.status !== VIRTIO_ADMIN_STATUS_OK) {
        throw new NicError('ADMIN_STATUS', `legacy read of ${size} bytes at ${offset}: admin status ${answer.status}`);
      }
      return new DataView(answer.result.slice(0, 4).buffer).getUint32(0, true);
    };
  const common = blockOf('virtio_pci_legacy');
  const isMsixOn = (nic.configRead(fn, CAP_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) !== 0;
  const size = isMsixOn ? common.size : LEGACY_SIZE_WITHOUT_MSIX;
  const config = blockOf('virtio_net_legacy_config');
  return [
    sectionOf(
      common,
      '',
      'LEGACY_COMMON_CFG_READ',
      bytesOf(common, readBy(VIRTIO_ADMIN_CMD_LEGACY_COMMON_CFG_READ), size),
    ),
    sectionOf(config, '', 'LEGACY_DEV_CFG_READ', bytesOf(config, readBy(VIRTIO_ADMIN_CMD_LEGACY_DEV_CFG_READ))),
  ];
}

/** Bytes of a block, each register read in its own width; those that reading changes stay zero. */
function bytesOf(block: RegisterBlock, read: (offset: number, size: number) => number, size = block.size): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const register of block.registers) {
    const { offset, width } = register;
    if (offset + width > size || isClearedByReading(register)) continue;
    const value = read(offset, width);
    for (let i = 0; i < width; i++) bytes[offset + i] = value >>> (8 * i);
  }
  return bytes;
}

function sectionOf(block: RegisterBlock, title: string, place: string, bytes: Uint8Array): RegisterSection {
  const hidden = block.registers.filter(isClearedByReading).map(({ name }) => name);
  const note = hidden.length === 0 ? '' : `${hidden.join(', ')} not read: reading clears it`;
  return {
    block: block.name,
    title: [title, note].filter((text) => text !== '').join('; '),
    place,
    registers: decodeBlock(block, bytes).filter(({ name }) => !hidden.includes(name)),
  };
}

function isClearedByReading({ access }: RegisterDescriptor): boolean {
  return access === 'RC';
}

function blockOf(name: string): RegisterBlock {
  const block = findRegisterBlock(name);
  if (block === undefined) throw new NicError('REGISTER_TABLE', `no register block is called ${name}`);
  return block;
}

/** Names of feature bits: those of a network device, and those of every device, which took over bits that were once its. */
const FEATURE_NAMES: ReadonlyMap<number, string> = new Map(
  [...Object.entries(net), ...Object.entries(features)]
    .filter((entry): entry is [string, number] => /^VIRTIO_(?:NET_)?F_/.test(entry[0]) && typeof entry[1] === 'number')
    .map(([name, bit]) => [bit, name.slice('VIRTIO_'.length).toLowerCase()]),
);

function withFeatureNames(register: DecodedRegister, word: number): DecodedRegister {
  const bits: DecodedBits[] = [];
  for (let shift = 0; shift < 32; shift++) {
    const value = Number((register.value >> BigInt(shift)) & 1n);
    const number = 32 * word + shift;
    if (value === 1) bits.push({ name: FEATURE_NAMES.get(number) ?? `bit_${number}`, shift, width: 1, value });
  }
  return { ...register, bits };
}
