// SPDX-License-Identifier: Apache-2.0
// The questions that cost more than the run itself: is guest memory what it should be to the byte (O4), does the card do
// the same again (O9), is it like new, and of use, after a reset (O6), and does it answer as the reference model (O8)?
import { CAP_EXP, DEVICE_BAR_OFFSET, EXT_CAP_SRIOV } from '../../assembly/abi/config_layout.ts';
import { CREDIT_CLASSES } from '../../assembly/abi/state_map.ts';
import * as CTL from '../../assembly/abi/control.ts';
import * as FN from '../../assembly/abi/function.ts';
import * as JOB from '../../assembly/abi/job.ts';
import { MSIX_BAR, MSIX_PBA_OFFSET, VIRTIO_BAR } from '../../assembly/abi/config_layout.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVSTA, PCI_EXP_LNKCTL, PCI_EXP_LNKCTL2 } from '../../assembly/abi/pci_express.ts';
import { PCI_SRIOV_CTRL } from '../../assembly/abi/pci_sriov.ts';
import { COMMON_CONFIG_GENERATION, COMMON_QUEUE_SELECT, COMMON_SIZE } from '../../assembly/abi/virtio_pci_common.ts';
import { VIRTIO_NET_CFG_SIZE } from '../../assembly/abi/virtio_net.ts';
import { Differential } from './differential.ts';
import type { Executor } from './executor.ts';
import { FUNCTIONS, QUEUES, SLICE_BYTES, SLICE_IOVA } from './layout.ts';
import { encodeProgram, type OperationFields } from './program.ts';
import { BOOT_PARTS, bringUp } from './seeds.ts';
import type { Violation } from './target.ts';

const CONFIG_BYTES = 0x200;
/** Payload and request size; Link Control; target speed; ARI Capable Hierarchy. */
const LINK_REGISTERS = [
  CAP_EXP + PCI_EXP_DEVCTL,
  CAP_EXP + PCI_EXP_LNKCTL,
  CAP_EXP + PCI_EXP_LNKCTL2,
  EXT_CAP_SRIOV + PCI_SRIOV_CTRL,
] as const;
/** Longer than any credit is on its way back. */
const QUIET_CYCLES = 100_000;

/** The PF with its interrupt line, before anybody enables MSI-X. */
const WITHOUT_MSIX: readonly OperationFields[] = [
  ...bringUp(0),
  { name: 'control', fn: 0, a: 0, b: 0, offset: 1, value: 1 },
];

/** Work that a card of use does: frames both ways, control and administration commands. */
const HEALTH: readonly OperationFields[] = [
  { name: 'receive', fn: 0, a: 3 },
  { name: 'receive', fn: 1, a: 3 },
  { name: 'receive', fn: 2, a: 3 },
  { name: 'transmit', fn: 0, a: 1, offset: 60 },
  { name: 'transmit', fn: 1, a: 2, offset: 200 },
  { name: 'transmit', fn: 2, a: 4, offset: 90 },
  { name: 'frame', a: 0, offset: 300 },
  { name: 'control', fn: 1, a: 0, b: 0, offset: 1, value: 1 },
  { name: 'control', fn: 1, a: 0, b: 0, offset: 1, value: 0 },
  { name: 'admin', a: 0, offset: 1 },
  { name: 'legacy', a: 4, b: 1 },
];

/** Checks of one card. */
export class ThoroughCheck {
  private readonly executor: Executor;
  private readonly differential: Differential;
  private readonly programs: readonly Uint32Array[];
  /** What a card that nothing was done to answers, and what each answer is to. */
  private readonly expected: number[] = [];
  private readonly labels: string[] = [];
  private readonly answers: number[] = [];
  private readonly link: number[] = [];

  constructor(executor: Executor) {
    this.executor = executor;
    this.differential = new Differential(executor.card);
    this.programs = [WITHOUT_MSIX, ...BOOT_PARTS, HEALTH].map((part) => new Uint32Array(encodeProgram(part).buffer));
    executor.reset();
    this.labels.length = 0;
    this.startOver((label) => this.labels.push(label()));
    this.expected.push(...this.answers);
    executor.reset();
  }

  /** Runs the program from the beginning, more than once; the card is put back at the end. */
  check(words: Uint32Array, count: number): Violation | null {
    const { executor } = this;
    try {
      executor.reset();
      executor.exact.begin();
      this.differential.begin(executor.bootEvents);
      const before = this.readIdentities();
      executor.card.observer = this.differential;
      executor.execute(words, count);
      const written = executor.exact.check();
      executor.exact.end();
      const first = executor.traceHash();
      const memory = this.hashPages();
      const different = this.differential.finish(first) ?? this.checkGenerations(before);
      executor.card.observer = null;
      const unlike = this.startOver(null);
      executor.reset();
      this.readIdentities();
      executor.execute(words, count);
      const isSame = executor.traceHash() === first && this.hashPages() === memory;
      if (different !== null) return different;
      if (written !== null) return written;
      if (!isSame) return { oracle: 'O9', message: 'the same program did something else when it ran again' };
      return unlike;
    } finally {
      executor.card.observer = null;
      executor.exact.end();
      executor.reset();
    }
  }

  /** config_generation and the address of each function, as a driver reads them. */
  private readIdentities(): { generation: number; mac: number }[] {
    const { card } = this.executor;
    return Array.from({ length: FUNCTIONS }, (_, fn) => ({
      mac:
        card.read(fn, VIRTIO_BAR, DEVICE_BAR_OFFSET, 4) + card.read(fn, VIRTIO_BAR, DEVICE_BAR_OFFSET + 4, 2) * 2 ** 32,
      generation: card.read(fn, VIRTIO_BAR, COMMON_CONFIG_GENERATION, 1),
    }));
  }

  /** A driver that read the configuration and reads it again, changed, sees that by config_generation (PCI-COMMON-06). */
  private checkGenerations(before: readonly { generation: number; mac: number }[]): Violation | null {
    const fn = this.readIdentities().findIndex(
      ({ generation, mac }, one) => mac !== before[one]!.mac && generation === before[one]!.generation,
    );
    if (fn < 0) return null;
    return { oracle: 'O8', message: `the address of function ${fn} changed, and config_generation did not` };
  }

  private hashPages(): number {
    const { card } = this.executor;
    let hash = 0;
    let pages = 0;
    card.forEachChangedPage((at) => {
      let page = at;
      for (let word = at >> 2; word < (at >> 2) + 64; word++) {
        page = Math.imul(page ^ card.u32[word]!, 0x9e3779b1);
        page ^= page >>> 15;
      }
      hash = (hash + page) | 0; // in any order
      pages++;
    });
    return hash ^ pages;
  }

  /** Resets everything, looks at every register and does the health work; the first answer that a new card would not give. */
  private startOver(name: ((label: () => string) => void) | null): Violation | null {
    const { executor, expected, labels, answers } = this;
    const { card, driver } = executor;
    let found: Violation | null = null;
    answers.length = 0;
    const see = (value: number, label: () => string): void => {
      const index = answers.length;
      answers.push(value);
      if (name !== null) name(label);
      else if (found === null && value !== expected[index]) {
        const text = `after a reset ${labels[index]} is 0x${value.toString(16)}, on a new card 0x${expected[index]!.toString(16)}`;
        found = { oracle: oracleOf(labels[index]!), message: text };
      }
    };
    card.u32[CTL.READ_FAULTS >> 2] = 0;
    for (let fn = 0; fn < FUNCTIONS; fn++) {
      card.pins.dmaUnmap(fn, SLICE_IOVA, 2 * SLICE_BYTES);
      card.mapSlice(fn);
    }
    executor.settle();
    driver.flr(0);
    executor.settle();
    this.restoreLink();
    card.pins.advance(card.pins.now() + QUIET_CYCLES, false);
    see(this.freeJobs(CTL.JOB_FREE), () => 'the number of free jobs');
    see(this.freeJobs(CTL.RX_JOB_FREE), () => 'the number of free receive jobs');
    for (let index = 0; index < CREDIT_CLASSES; index++)
      see(card.pins.creditsUnderWay(index), () => `credits ${index}`);
    this.seeFunction(0, see);
    driver.setVfs(FUNCTIONS - 1);
    for (let fn = 1; fn < FUNCTIONS; fn++) this.seeFunction(fn, see);
    executor.restartHash();
    for (const program of this.programs) executor.execute(program);
    see(executor.traceHash(), () => 'what it does at work');
    return found;
  }

  /** What an FLR leaves because it is the link's (PCIe 6.0 §6.6.2), as it was on the new card. */
  private restoreLink(): void {
    const { card } = this.executor;
    if (this.link.length === 0) this.link.push(...LINK_REGISTERS.map((at) => card.configRead(0, at, 2)));
    else LINK_REGISTERS.forEach((at, i) => card.configWrite(0, at, 2, this.link[i]!));
  }

  private freeJobs(list: number): number {
    const { u32 } = this.executor.card;
    let count = 0;
    for (let job = u32[list >> 2]!; job !== 0 && count < 1000; job = u32[(job + JOB.NEXT) >> 2]!) count++;
    return count;
  }

  private seeFunction(fn: number, see: (value: number, label: () => string) => void): void {
    const { card } = this.executor;
    const hex = (value: number): string => value.toString(16);
    for (let at = 0; at < CONFIG_BYTES; at += 2) {
      if (at === CAP_EXP + PCI_EXP_DEVSTA) continue; // errors are the observer's
      see(card.configRead(fn, at, 2), () => `configuration space ${hex(at)} of function ${fn}`);
    }
    for (let queue = 0; queue <= QUEUES; queue++) {
      card.write(fn, VIRTIO_BAR, COMMON_QUEUE_SELECT, 2, queue);
      for (let at = 0; at < COMMON_SIZE; at++) {
        if (at === COMMON_CONFIG_GENERATION) continue; // goes on
        see(
          card.read(fn, VIRTIO_BAR, at, 1),
          () => `common configuration ${hex(at)} of function ${fn}, queue ${queue}`,
        );
      }
    }
    card.write(fn, VIRTIO_BAR, COMMON_QUEUE_SELECT, 2, 0);
    for (let at = 0; at < VIRTIO_NET_CFG_SIZE; at++) {
      see(
        card.read(fn, VIRTIO_BAR, DEVICE_BAR_OFFSET + at, 1),
        () => `device configuration ${hex(at)} of function ${fn}`,
      );
    }
    for (let at = 0; at < FN.MSIX_VECTORS_MAX * 16; at += 4) {
      see(card.read(fn, MSIX_BAR, at, 4), () => `MSI-X table ${hex(at)} of function ${fn}`);
    }
    see(card.read(fn, MSIX_BAR, MSIX_PBA_OFFSET, 4), () => `MSI-X pending bits of function ${fn}`);
    see(card.read(fn, VIRTIO_BAR, 0x1000, 1), () => `ISR of function ${fn}`);
  }
}

/** Resources that are not back are O10, all else is left from before: O6. */
function oracleOf(label: string): string {
  return label.startsWith('the number') || label.startsWith('credits') ? 'O10' : 'O6';
}
