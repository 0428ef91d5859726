// SPDX-License-Identifier: Apache-2.0
// Random operations that make sense more often than chance would: registers with their widths and the values that matter
// to them, rings in their order, commands with members that exist. What a target likes to do is a table of weights.
import {
  CAP_EXP,
  CAP_MSIX,
  CAP_PM,
  CAP_VIRTIO_PCI_CFG,
  EXT_CAP_SRIOV,
  MSIX_BAR,
  VIRTIO_BAR,
} from '../../assembly/abi/config_layout.ts';
import { PCI_SRIOV_CTRL } from '../../assembly/abi/pci_sriov.ts';
import { COMMON_CFG } from '../../assembly/abi/virtio_pci_common.ts';
import { ROW_FIELDS, ROW_OFFSET, ROW_WIDTH } from '../../assembly/abi/register_row.ts';
import { FUNCTIONS, MAPPED_BYTES, QUEUE_SIZE, QUEUES, RING_BYTES } from './layout.ts';
import { OP, OP_WORDS, type OpName } from './program.ts';

/** Gives a u32. */
export type Random = () => number;

/** How often a target does what, in relation to one another. */
export type OpWeights = Readonly<Partial<Record<OpName, number>>>;

const BYTE = 0x1000000;

/** Numbers near which mistakes live. */
const EDGES = [
  0, 1, 2, 3, 4, 7, 8, 11, 15, 16, 17, 20, 24, 31, 32, 63, 64, 127, 128, 255, 256, 0x1000, 0x7fff, 0x8000, 0xfffe,
  0xffff, 0x10000, 0x100000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
];
const STATUSES = [0, 0, 1, 3, 11, 15, 15, 4, 8, 0x40, 0x80, 0x8f, 0xff];
const CONFIG_PLACES = [4, 6, 0x10, 0x18, 0x1c, 0x20, 0x3c, CAP_PM + 4, CAP_MSIX + 2, CAP_EXP + 8, CAP_EXP + 10];
const SRIOV_PLACES = [8, 0x10, 0x20, 0x24, 0x2c, 0x34];
/** VF Enable and VF MSE in all combinations, and what else a control may hold. */
const SRIOV_CONTROLS = [0, 1, 8, 9, 9, 0x19, 0xffff];
const COMMANDS = [0, 2, 4, 6, 0x406, 0xffff];
const MSIX_CONTROLS = [0, 0x8000, 0x8000, 0xc000, 0x4000];
const ADMIN_OPCODES = [0, 0, 1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 13, 17, 18, 0x7f, 0xff];
const FLAGS_NEXT = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 0xffff];
const LENGTHS = [
  0, 1, 4, 8, 12, 14, 16, 20, 24, 32, 48, 60, 64, 80, 256, 384, 0x1000, 0xffffffff, 0xfffffff0, 0x80000000,
];

function pick(list: readonly number[], random: Random): number {
  return list[random() % list.length]!;
}

/** A number: an edge, a small one, or anything. */
export function anyNumber(random: Random): number {
  const kind = random() & 3;
  return kind === 0 ? random() : kind === 1 ? random() & 31 : pick(EDGES, random);
}

/** Draws operations by weight. */
export class Generator {
  private readonly choices: number[] = [];

  constructor(weights: OpWeights) {
    for (const [name, weight] of Object.entries(weights)) {
      for (let i = 0; i < weight; i++) this.choices.push(OP[name as OpName]);
    }
  }

  /** Writes `count` operations from `at` on; most of them are about one function. */
  drawSequence(words: Uint32Array, at: number, count: number, random: Random): void {
    const fn = random() % FUNCTIONS;
    for (let i = 0; i < count; i++) this.draw(words, at + i * OP_WORDS, random, (random() & 7) === 0 ? undefined : fn);
  }

  /** Writes one operation to `words` at `at`, about function `fn` or any. */
  draw(words: Uint32Array, at: number, random: Random, fn = random() % FUNCTIONS): void {
    const kind = this.choices[random() % this.choices.length]!;
    words[at + 1] = 0;
    words[at + 2] = 0;
    words[at + 3] = 0;
    let a = random() & 0xff;
    let b = random() % QUEUES;
    switch (kind) {
      case OP.configRead:
      case OP.configWrite:
        [a, words[at + 1], words[at + 2]] = configAccess(random);
        break;
      case OP.mmioRead:
      case OP.mmioWrite:
        [a, b, words[at + 1], words[at + 2]] = mmioAccess(random);
        break;
      case OP.memory:
        words[at + 1] =
          (random() & 1) === 0 ? random() % MAPPED_BYTES : (b * RING_BYTES + (random() % RING_BYTES)) & ~1;
        words[at + 2] = anyNumber(random);
        words[at + 3] = anyNumber(random);
        a = random() & 3;
        break;
      case OP.descriptor:
      case OP.indirect:
        a = random() % QUEUE_SIZE;
        words[at + 1] = (random() & 3) === 0 ? 0x80000000 + (random() & 0xffff) : random() % MAPPED_BYTES;
        words[at + 2] = pick(LENGTHS, random);
        words[at + 3] = pick(FLAGS_NEXT, random) + (random() % (QUEUE_SIZE + 2)) * 0x10000;
        break;
      case OP.available:
        a = (random() & 15) === 0 ? 128 + (random() & 31) : 0;
        words[at + 2] = (random() & 15) === 0 ? pick(EDGES, random) : random() % QUEUE_SIZE;
        break;
      case OP.kick:
        a = (random() & 7) === 0 ? random() & 3 : 0;
        if ((random() & 15) === 0) b = random() & 7;
        words[at + 2] = anyNumber(random);
        break;
      case OP.queueSetup:
        a = (random() & 3) === 0 ? random() & 7 : 0;
        words[at + 1] = anyNumber(random);
        words[at + 2] = anyNumber(random);
        words[at + 3] = random() & 0x00ffffff;
        break;
      case OP.bringUp:
        words[at + 2] = (random() & 3) === 0 ? random() : 0xffffffff;
        words[at + 3] = (random() & 3) === 0 ? random() : 0xffffffff;
        break;
      case OP.admin:
        a = pick(ADMIN_OPCODES, random);
        b = (random() & 3) === 0 ? random() & 0xff : 0;
        words[at + 1] = ((random() & 7) === 0 ? random() & 15 : 1) + (random() % (FUNCTIONS + 1)) * 0x10000;
        words[at + 2] = anyNumber(random);
        words[at + 3] = (random() & 3) === 0 ? anyNumber(random) : 0;
        break;
      case OP.legacy:
        b = (random() & 15) === 0 ? random() & 0xff : 1 + (random() % (FUNCTIONS - 1));
        words[at + 1] = (random() % 34) + ((random() & 7) === 0 ? random() & 31 : 1 << (random() % 3)) * 0x100;
        words[at + 2] = anyNumber(random);
        words[at + 3] = anyNumber(random);
        break;
      case OP.control:
        a = random() % 6;
        b = random() % 4;
        words[at + 1] = pick([1, 1, 2, 6, 8, 14, 20, 0, 64, 0x101], random);
        words[at + 2] = (random() & 1) === 0 ? random() & 1 : anyNumber(random);
        words[at + 3] = anyNumber(random);
        break;
      case OP.receive:
        a = random() & 7;
        b = random() & 15 ? 0 : 1;
        words[at + 2] = random() & 3 ? 0 : random();
        break;
      case OP.transmit:
        a = random() & 7;
        b = (random() & 7) === 0 ? random() & 0xff : 0;
        words[at + 1] = random() & 7 ? 14 + (random() % 100) : random();
        words[at + 2] = random();
        words[at + 3] = (random() & 7) === 0 ? random() : 0;
        break;
      case OP.advance:
        words[at + 2] = random() % (random() & 1 ? 500 : 20000);
        break;
      case OP.vfEnable:
        a = random() % (FUNCTIONS + 1);
        break;
      case OP.region:
        a = random() % 12;
        b = ((random() & 1) === 0 ? 4 : random() & 15) + (random() & 0xf0);
        words[at + 1] = anyNumber(random);
        words[at + 2] = anyNumber(random);
        break;
      default:
        b = random() & 0xff;
        words[at + 2] = random();
    }
    words[at] = kind + (fn << 8) + (a << 16) + b * BYTE;
  }
}

/** a, offset, value of an access to configuration space. */
function configAccess(random: Random): [number, number, number] {
  const kind = random() & 7;
  const value = anyNumber(random);
  if (kind === 0) return [random() & 3, random() & 0xfff, value];
  if (kind === 1) return [1, 4, pick(COMMANDS, random)];
  if (kind === 2) return [1, CAP_MSIX + 2, pick(MSIX_CONTROLS, random)];
  if (kind === 3) {
    const place = pick(SRIOV_PLACES, random);
    return [random() & 3, EXT_CAP_SRIOV + place, place === PCI_SRIOV_CTRL ? pick(SRIOV_CONTROLS, random) : value];
  }
  if (kind === 4) return [2, CAP_VIRTIO_PCI_CFG + 4 * (1 + (random() & 3)), value];
  return [random() & 3, pick(CONFIG_PLACES, random), value];
}

/** a, b, offset, value of an access to a BAR. */
function mmioAccess(random: Random): [number, number, number, number] {
  const kind = random() & 7;
  const value = anyNumber(random);
  if (kind === 0) return [random() & 3, random() % 6, random() & 0x7fff, value];
  if (kind === 1) return [2, MSIX_BAR, (random() % 0x90) * 4, random() & 1 ? value : random() & 1];
  if (kind === 2) return [1, VIRTIO_BAR, 0x3000 + 4 * (random() & 7), random() % 6];
  if (kind === 3) return [random() & 3, VIRTIO_BAR, pick([0x1000, 0x2000, 0x2004, 0x2008, 0x200a], random), value];
  const row = (random() % (COMMON_CFG.length / ROW_FIELDS)) * ROW_FIELDS;
  const offset = COMMON_CFG[row + ROW_OFFSET]!;
  const width = COMMON_CFG[row + ROW_WIDTH]!;
  const size = (random() & 15) === 0 ? random() & 3 : width === 4 ? 2 : width - 1;
  const meant = offset === 0x14 ? pick(STATUSES, random) : offset === 0x16 ? random() % 6 : value;
  return [size, VIRTIO_BAR, offset, meant];
}

/** Changes one operation in place: a field to a value that means something, or to any. */
export function changeField(words: Uint32Array, at: number, random: Random): void {
  const head = words[at]!;
  switch (random() & 7) {
    case 0:
      words[at] = (head & ~0xff00) | ((random() % FUNCTIONS) << 8);
      return;
    case 1:
      words[at] = (head & ~0xff0000) | ((random() & 0xff) << 16);
      return;
    case 2:
      words[at] = (head & 0xffffff) + (random() & 7) * BYTE;
      return;
    case 3:
      words[at + 1] = anyNumber(random);
      return;
    case 4:
      words[at + 1]! ^= 1 << (random() & 31);
      return;
    case 5:
      words[at + 2] = anyNumber(random);
      return;
    case 6:
      words[at + 2]! ^= 1 << (random() & 31);
      return;
    default:
      words[at + 3] = anyNumber(random);
  }
}
