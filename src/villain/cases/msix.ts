// SPDX-License-Identifier: Apache-2.0
// R12 to R14: MSI-X tables written by pieces, vectors that are not there, masks at the wrong time.
import { CAP_MSIX, MSIX_BAR, MSIX_PBA_OFFSET } from '../../../assembly/abi/config_layout.ts';
import {
  PCI_MSIX_ENTRY_CTRL_MASKBIT,
  PCI_MSIX_ENTRY_SIZE,
  PCI_MSIX_ENTRY_VECTOR_CTRL,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_ENABLE,
  PCI_MSIX_FLAGS_MASKALL,
} from '../../../assembly/abi/pci_msix.ts';
import {
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_QUEUE_MSIX_VECTOR,
  VIRTIO_MSI_NO_VECTOR,
} from '../../../assembly/abi/virtio_pci_common.ts';
import type { Bench } from '../bench.ts';
import { frame, goodPacket, macOf, STRANGER } from '../frames.ts';
import { CONFIG, CONFIG_VECTOR, RX, TX, type RawFunction } from '../raw_function.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';

const TABLE = 'PCIe 6.0 §6.1.4.2: table entries by dwords and pairs of them, else undefined';
const VECTOR = 'PCI-MSIX-06, PCI-MSIX-09, AMB-41';
const MASK = 'PCIe 6.0 §6.1.4: while masked, a message is pending; unmasked, it is sent';
/** Vector of the transmit queue as start() sets it up. */
const TX_VECTOR = TX + 1;

function send({ bad }: Bench, times = 1): void {
  for (let i = 0; i < times; i++)
    bad.submit(TX, bad.readable(goodPacket(bad)), bad.ring(TX).availIdx % bad.ring(TX).size);
}

function isPending(bad: RawFunction, vector: number): boolean {
  return ((bad.readMsix(MSIX_PBA_OFFSET) >>> vector) & 1) === 1;
}

function setMask(bad: RawFunction, vector: number, isMasked: boolean): void {
  const entry = vector * PCI_MSIX_ENTRY_SIZE;
  bad.writeMsix(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, isMasked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

/** Three frames while `mask` holds the messages back, then one message when it lets go. */
function holdBack(bench: Bench, mask: (isMasked: boolean) => void): Outcome {
  const { bad } = bench;
  mask(true);
  const before = bench.interrupts(bad.fn, TX_VECTOR);
  send(bench, 3);
  must(bench.interrupts(bad.fn, TX_VECTOR) === before, 'a masked vector fires');
  must(isPending(bad, TX_VECTOR), 'the pending bit is not set');
  mask(false);
  bench.settle();
  must(bench.interrupts(bad.fn, TX_VECTOR) === before + 1, 'not one message after the mask is gone');
  must(!isPending(bad, TX_VECTOR), 'the pending bit stays');
  return 'served';
}

const TABLES: readonly Case[] = [
  ...([1, 2] as const).map((width): Case => ({
    id: `R12-${width === 1 ? 'byte' : 'word'}`,
    act: `writes MSI-X table entries by ${width === 1 ? 'single bytes' : 'two bytes'}`,
    clause: TABLE,
    allowed: ['served', 'ignored'],
    setup: 'net',
    hasTable: true,
    run: ({ bad }) => {
      const before = bad.readMsix(0);
      for (let at = 0; at < PCI_MSIX_ENTRY_SIZE; at += width) bad.device.write(MSIX_BAR, at, width, 0x11);
      const outcome: Outcome = bad.readMsix(0) === before ? 'ignored' : 'served';
      bad.switchOn();
      return outcome;
    },
  })),
  {
    id: 'R12-qword',
    act: 'writes an MSI-X table entry by eight bytes',
    clause: TABLE,
    allowed: ['served'],
    setup: 'net',
    hasTable: true,
    run: ({ bad }) => {
      const bytes = Uint8Array.of(0, 0, 0xe0, 0xfe, 0, 0, 0, 0);
      bad.device.writeBytes(MSIX_BAR, 0, bytes);
      const data = new Uint8Array(8);
      bad.device.readBytes(MSIX_BAR, 0, data);
      must(Buffer.compare(data, bytes) === 0, 'the entry does not hold what was written');
      bad.switchOn();
      return 'served';
    },
  },
  {
    id: 'R12-pba',
    act: 'writes the pending bits',
    clause: 'PCIe 6.0 §7.7.2.6: software should never write the pending bits',
    allowed: ['ignored'],
    setup: 'net',
    hasTable: true,
    run: (bench) => {
      const { bad } = bench;
      const before = bench.interrupts(bad.fn);
      for (const width of [1, 2, 4] as const) bad.device.write(MSIX_BAR, MSIX_PBA_OFFSET, width, 0xff);
      bench.settle();
      must(bench.interrupts(bad.fn) === before, 'a message was sent');
      return bad.readMsix(MSIX_PBA_OFFSET) === 0 ? 'ignored' : 'served';
    },
  },
  {
    id: 'R12-past',
    act: 'writes behind the end of the MSI-X table and of the pending bits',
    clause: 'PCIe 6.0 §7.7.2.3',
    allowed: ['ignored'],
    setup: 'net',
    hasTable: true,
    run: ({ bad }) => {
      const end = bad.vectors * PCI_MSIX_ENTRY_SIZE;
      for (const at of [end, end + 12, MSIX_PBA_OFFSET - 4, MSIX_PBA_OFFSET + 8, 0xffc]) {
        bad.writeMsix(at, 0xffff_ffff);
        must(bad.readMsix(at) === 0 || bad.readMsix(at) === 0xffff_ffff, `0x${at.toString(16)} holds something`);
      }
      return 'ignored';
    },
  },
];

/** Vectors that no function of this card has. */
const NO_VECTORS = [32, 0x800, 0xfffe];

const VECTORS: readonly Case[] = [
  {
    id: 'R13-queue',
    act: 'gives a queue vectors that the function does not have',
    clause: VECTOR,
    allowed: ['ignored'],
    setup: 'net',
    hasTable: true,
    run: (bench) => {
      const { bad } = bench;
      for (const vector of [bad.vectors, ...NO_VECTORS]) {
        bad.setQueue(TX, COMMON_QUEUE_MSIX_VECTOR, vector);
        must(bad.queue(TX, COMMON_QUEUE_MSIX_VECTOR) === VIRTIO_MSI_NO_VECTOR, `vector ${vector} is taken`);
      }
      const before = bench.interrupts(bad.fn);
      send(bench);
      must(bench.interrupts(bad.fn) === before, 'an interrupt without a vector');
      return 'ignored';
    },
  },
  {
    id: 'R13-config',
    act: 'gives the configuration vectors that the function does not have',
    clause: VECTOR,
    allowed: ['ignored'],
    setup: 'net',
    hasTable: true,
    run: ({ bad }) => {
      for (const vector of [bad.vectors, ...NO_VECTORS]) {
        bad.write(COMMON_CONFIG_MSIX_VECTOR, vector);
        must(bad.read(COMMON_CONFIG_MSIX_VECTOR) === VIRTIO_MSI_NO_VECTOR, `vector ${vector} is taken`);
      }
      bad.write(COMMON_CONFIG_MSIX_VECTOR, CONFIG_VECTOR);
      return 'ignored';
    },
  },
  {
    id: 'R13-none',
    act: 'takes the vectors of queue and configuration away, and breaks the queue',
    clause: 'PCI-MSIX-05, PCI-CFGNOTIF-01, GEN-STATUS-02',
    allowed: ['served'],
    setup: 'net',
    hasTable: true,
    run: (bench) => {
      const { bad } = bench;
      bad.setQueue(TX, COMMON_QUEUE_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR);
      bad.write(COMMON_CONFIG_MSIX_VECTOR, VIRTIO_MSI_NO_VECTOR);
      const before = bench.interrupts(bad.fn);
      send(bench);
      must(bad.ring(TX).usedIdx === 1, 'a queue without a vector does not serve');
      bad.ring(TX).publish(0x8000);
      bad.kick(TX);
      must(bad.needsReset, 'a broken queue does not stop the function');
      must(bench.interrupts(bad.fn) === before, 'an interrupt without a vector');
      bad.start();
      return 'served';
    },
  },
  {
    id: 'R13-shared',
    act: 'gives both queues and the configuration one vector',
    clause: 'PCI-MSIX-04, PCI-TEXT-07',
    allowed: ['served'],
    setup: 'net',
    hasTable: true,
    run: (bench) => {
      const { bad } = bench;
      for (const queue of [RX, TX]) bad.setQueue(queue, COMMON_QUEUE_MSIX_VECTOR, CONFIG_VECTOR);
      const before = bench.interrupts(bad.fn, CONFIG_VECTOR);
      send(bench);
      bad.submit(RX, bad.writable(200));
      bench.arrive(frame(macOf(bad), STRANGER));
      must(bench.interrupts(bad.fn, CONFIG_VECTOR) === before + 2, 'not one message for each queue');
      bad.ring(RX).takeUsed();
      return 'served';
    },
  },
];

export const MSIX_CASES: readonly Case[] = [
  ...TABLES,
  ...VECTORS,
  {
    id: 'R14-vector',
    act: 'masks a vector, works, and unmasks it',
    clause: MASK,
    allowed: ['served'],
    setup: 'net',
    hasTable: true,
    run: (bench) => holdBack(bench, (isMasked) => setMask(bench.bad, TX_VECTOR, isMasked)),
  },
  {
    id: 'R14-function',
    act: 'masks the whole function, works, and unmasks it',
    clause: MASK,
    allowed: ['served'],
    setup: 'admin',
    run: (bench) =>
      holdBack(bench, (isMasked) => {
        const flags = PCI_MSIX_FLAGS_ENABLE | (isMasked ? PCI_MSIX_FLAGS_MASKALL : 0);
        bench.bad.device.write(CONFIG, CAP_MSIX + PCI_MSIX_FLAGS, 2, flags);
      }),
  },
  {
    id: 'R14-flight',
    act: 'masks and unmasks a vector while its message is on the way',
    clause: MASK,
    allowed: ['served'],
    setup: 'net',
    hasTable: true,
    isTimed: true,
    run: (bench) => {
      const { bad } = bench;
      for (let cycles = 0; cycles < 1000; cycles += 20) {
        const ring = bad.ring(TX);
        const before = bench.interrupts(bad.fn, TX_VECTOR);
        ring.offer(ring.chain(bad.readable(goodPacket(bad)), ring.availIdx % ring.size));
        bad.notify(TX);
        bench.advance(cycles);
        setMask(bad, TX_VECTOR, true);
        bench.settle();
        setMask(bad, TX_VECTOR, false);
        bench.settle();
        ring.takeUsed();
        const fired = bench.interrupts(bad.fn, TX_VECTOR) - before;
        must(fired === 1, `masked after ${cycles} cycles: ${fired} messages for one frame`);
      }
      return 'served';
    },
  },
];
