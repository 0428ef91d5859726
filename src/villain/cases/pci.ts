// SPDX-License-Identifier: Apache-2.0
// R05 to R11 and R15: BARs, decode, bus mastering, SR-IOV controls, function level resets and power states at the wrong
// time.
import { CAP_EXP, CAP_PM, EXT_CAP_SRIOV, NOTIFY_BAR_OFFSET, VIRTIO_BAR } from '../../../assembly/abi/config_layout.ts';
import {
  PCI_BASE_ADDRESS_2,
  PCI_BASE_ADDRESS_4,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
} from '../../../assembly/abi/pci_header.ts';
import { PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR } from '../../../assembly/abi/pci_express.ts';
import { PCI_PM_CTRL, PCI_PM_D0, PCI_PM_D3HOT } from '../../../assembly/abi/pci_pm.ts';
import {
  PCI_SRIOV_BAR,
  PCI_SRIOV_CTRL,
  PCI_SRIOV_CTRL_MSE,
  PCI_SRIOV_CTRL_VFE,
  PCI_SRIOV_NUM_BARS,
  PCI_SRIOV_NUM_VF,
  PCI_SRIOV_SYS_PGSIZE,
} from '../../../assembly/abi/pci_sriov.ts';
import {
  COMMON_CONFIG_MSIX_VECTOR,
  COMMON_NUM_QUEUES,
  COMMON_QUEUE_ENABLE,
  VIRTIO_MSI_NO_VECTOR,
} from '../../../assembly/abi/virtio_pci_common.ts';
import { BAD_VF, NUM_VFS, TOTAL_VFS, type Bench } from '../bench.ts';
import { frame, goodPacket, macOf, STRANGER } from '../frames.ts';
import { CONFIG, RawFunction, RX, TX } from '../raw_function.ts';
import { WRITE } from '../raw_ring.ts';
import type { Case } from '../case.ts';
import { must, type Outcome } from '../verdict.ts';
import { delays, mustHaveKept, mustRefuse } from './steps.ts';

const ALL_ONES = 0xffff_ffff;
const DECODE = 'PCIe 6.0 §7.5.1.1.3, §9.3.3.3.4';
const SRIOV_RULES = 'PCIe 6.0 §9.3.3: must not change while VF Enable is set';
const RESET = 'PCIe 6.0 §6.6.2; GEN-RESET-02';
const DELAYS: readonly number[] = delays(40, 25);
const ABSENT_VF: number = NUM_VFS + 1;

/** Writes ones to dwords of configuration space and puts back what was there. */
function size({ bad: { device } }: Bench, registers: readonly number[]): number[] {
  return registers.map((register) => {
    const before = device.read(CONFIG, register, 4);
    device.write(CONFIG, register, 4, ALL_ONES);
    const mask = device.read(CONFIG, register, 4);
    device.write(CONFIG, register, 4, before);
    must(device.read(CONFIG, register, 4) === before, `0x${register.toString(16)} does not come back`);
    return mask;
  });
}

/** VF 1 with a good driver, in the setup where it has none. */
function startMember(bench: Bench): RawFunction {
  const member = new RawFunction(bench, BAD_VF, bench.member!);
  member.start();
  return member;
}

const BARS = [PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_2 + 4, PCI_BASE_ADDRESS_4, PCI_BASE_ADDRESS_4 + 4];
const VF_BARS: readonly number[] = Array.from(
  { length: PCI_SRIOV_NUM_BARS },
  (_, i) => EXT_CAP_SRIOV + PCI_SRIOV_BAR + 4 * i,
);

const SPACES: readonly Case[] = [
  {
    id: 'R05-pf',
    act: 'sizes the BARs of the PF while decode is on',
    clause: 'PCIe 6.0 §7.5.1.2.1',
    allowed: ['served'],
    setup: 'admin',
    run: (bench) => {
      size(bench, BARS);
      return 'served';
    },
  },
  {
    id: 'R05-vf',
    act: 'sizes the BARs that vfio shows of a VF while it works',
    clause: 'PCIe 6.0 §7.5.1.2.1',
    allowed: ['served'],
    setup: 'net',
    run: (bench) => {
      const [low] = size(bench, BARS);
      must((low! & 0xf) === 0x4 || (low! & 0xf) === 0xc, `BAR 2 sizes as 0x${low!.toString(16)}, no 64-bit memory BAR`);
      return 'served';
    },
  },
  {
    id: 'R06-vf',
    act: 'reads and resets a VF while VF Memory Space Enable is clear',
    clause: DECODE,
    allowed: ['error'],
    setup: 'admin',
    run: (bench) => {
      const member = startMember(bench);
      bench.writeSriov(PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE);
      must(member.read(COMMON_NUM_QUEUES) === 0xffff, 'a register answers without memory decode');
      member.status = 0;
      bench.settle();
      bench.writeSriov(PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
      must(member.isRunning, `the write arrived all the same: status 0x${member.status.toString(16)}`);
      return 'error';
    },
  },
  {
    id: 'R06-pf',
    act: 'reads and resets the PF while its memory decode is off',
    clause: DECODE,
    allowed: ['error'],
    setup: 'admin',
    run: (bench) => {
      const { bad } = bench;
      bad.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
      must(bad.read(COMMON_NUM_QUEUES) === 0xffff, 'a register answers without memory decode');
      bad.status = 0;
      bench.settle();
      bad.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
      must(bad.isRunning, `the write arrived all the same: status 0x${bad.status.toString(16)}`);
      return 'error';
    },
  },
  {
    id: 'R07-kick',
    act: 'rings while bus mastering is off, then switches it on',
    clause: 'PCIe 6.0 §7.5.1.1.3: no request while Bus Master Enable is clear',
    allowed: ['served', 'ignored', 'needs-reset'],
    setup: 'net',
    run: (bench) => {
      const { bad } = bench;
      bad.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
      const { dma_writes } = bench.nic.counters();
      const ring = bad.ring(TX);
      ring.offer(ring.chain(bad.readable(goodPacket(bad))));
      bad.kick(TX);
      mustHaveKept(bench);
      must(bench.nic.counters()['dma_writes'] === dma_writes, 'memory was written without bus mastering');
      bad.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
      bad.kick(TX);
      return bad.outcomeOf(TX);
    },
  },
  {
    id: 'R07-flight',
    act: 'switches bus mastering off while frames are in work',
    clause: 'PCIe 6.0 §7.5.1.1.3: no request while Bus Master Enable is clear',
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => inFlight(bench, ({ bad }) => bad.device.write(CONFIG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY)),
  },
];

/** A frame each way in work, then `stop` after every delay: from its return on nothing is written and nothing fires. */
function inFlight(bench: Bench, stop: (bench: Bench) => void): Outcome {
  const { bad } = bench;
  const [receive] = bad.writable(200);
  for (const cycles of DELAYS) {
    power(bench, PCI_PM_D0);
    bad.switchOn();
    bad.start();
    bad.submit(RX, [{ ...receive!, flags: WRITE }]);
    bad.ring(TX).offer(bad.ring(TX).chain(bad.readable(goodPacket(bad))));
    bad.notify(TX);
    must(bench.nic.receiveFrame(frame(macOf(bad), STRANGER)), 'the wire port is busy');
    bench.advance(cycles);
    stop(bench);
    const image = bad.memory.u8.slice();
    const before = bench.interrupts(bad.fn);
    bench.settle();
    must(Buffer.compare(bad.memory.u8, image) === 0, `after ${cycles} cycles: memory is written late`);
    must(bench.interrupts(bad.fn) === before, `after ${cycles} cycles: an interrupt comes late`);
  }
  power(bench, PCI_PM_D0);
  bad.switchOn();
  bad.start();
  return 'served';
}

/** A case that writes NumVFs while VFs are enabled. */
function changeNumVfs(id: string, act: string, count: number): Case {
  return {
    id: `R09-${id}`,
    act,
    clause: SRIOV_RULES,
    allowed: ['ignored'],
    setup: 'admin',
    run: (bench) => {
      bench.writeSriov(PCI_SRIOV_NUM_VF, count);
      return bench.readSriov(PCI_SRIOV_NUM_VF) === NUM_VFS ? 'ignored' : 'served';
    },
  };
}

/** A case that enables as many VFs as there cannot be. */
function enableOdd(id: string, act: string, count: number): Case {
  return {
    id: `R09-${id}`,
    act,
    clause: 'PCIe 6.0 §9.3.3.7: results are undefined above TotalVFs',
    allowed: ['served', 'ignored'],
    setup: 'admin',
    run: (bench) => {
      bench.writeSriov(PCI_SRIOV_CTRL, 0);
      bench.enableVfs(count);
      const present = Array.from({ length: TOTAL_VFS }, (_, i) => bench.nic.isPresent(i + 1)).filter(Boolean).length;
      must(count > 0 || present === 0, `${present} VFs exist, and none was asked for`);
      bench.writeSriov(PCI_SRIOV_CTRL, 0);
      bench.enableVfs();
      bench.restartBystander();
      return present === 0 ? 'ignored' : 'served';
    },
  };
}

const SRIOV: readonly Case[] = [
  {
    id: 'R08-open',
    act: 'opens a VF before it is enabled',
    clause: 'PCIe 6.0 §9.3.3.7: the function is not there',
    allowed: ['error'],
    setup: 'admin',
    run: ({ path }) => mustRefuse('ENODEV', () => path.open(ABSENT_VF, 'vfio')),
  },
  {
    id: 'R08-config',
    act: 'reads and writes configuration space of a VF before it is enabled',
    clause: 'PCIe 6.0 §2.3.1: Unsupported Request',
    allowed: ['error'],
    setup: 'admin',
    directOnly: 'a function that is not there has no server',
    run: ({ nic }) => {
      nic.configWrite(ABSENT_VF, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
      return nic.configRead(ABSENT_VF, 0, 4) === ALL_ONES ? 'error' : 'served';
    },
  },
  changeNumVfs('less', 'lowers NumVFs while VFs are enabled', 1),
  changeNumVfs('zero', 'writes 0 to NumVFs while VFs are enabled', 0),
  changeNumVfs('over', 'raises NumVFs above TotalVFs while VFs are enabled', 0xffff),
  enableOdd('enable-over', 'enables one VF more than there are', TOTAL_VFS + 1),
  enableOdd('enable-far', 'enables 65,535 VFs', 0xffff),
  enableOdd('enable-zero', 'enables no VF', 0),
  {
    id: 'R09-busy',
    act: 'clears VF Enable while a VF sends',
    clause: 'PCIe 6.0 §9.3.3.3.1; GEN-RESET-02',
    allowed: ['served'],
    setup: 'admin',
    isTimed: true,
    run: (bench) => {
      const member = startMember(bench);
      for (const cycles of DELAYS) {
        member.ring(TX).offer(member.ring(TX).chain(member.readable(goodPacket(member))));
        member.notify(TX);
        bench.advance(cycles);
        bench.writeSriov(PCI_SRIOV_CTRL, 0);
        const image = member.memory.u8.slice();
        const before = bench.interrupts(member.fn);
        bench.settle();
        must(Buffer.compare(member.memory.u8, image) === 0, `after ${cycles} cycles: a VF that is gone writes memory`);
        must(bench.interrupts(member.fn) === before, `after ${cycles} cycles: a VF that is gone interrupts`);
        bench.enableVfs();
        member.switchOn();
        member.start();
      }
      bench.restartBystander();
      return 'served';
    },
  },
  {
    id: 'R10-bar',
    act: 'writes the VF BARs while VFs are enabled, and puts them back',
    clause: 'PCIe 6.0 §9.3.3.14',
    allowed: ['served'],
    setup: 'admin',
    run: (bench) => {
      size(bench, VF_BARS);
      return 'served';
    },
  },
  {
    id: 'R10-page',
    act: 'changes System Page Size while VFs are enabled',
    clause: 'PCIe 6.0 §9.3.3.13: must not change while VF Enable is set',
    allowed: ['ignored'],
    setup: 'admin',
    run: ({ bad: { device } }) => {
      const register = EXT_CAP_SRIOV + PCI_SRIOV_SYS_PGSIZE;
      const before = device.read(CONFIG, register, 4);
      device.write(CONFIG, register, 4, 0x10);
      return device.read(CONFIG, register, 4) === before ? 'ignored' : 'served';
    },
  },
];

/** What a function shows after a reset: nothing of its driver. */
function mustBeCold(bad: RawFunction): void {
  must(bad.status === 0, `the status is 0x${bad.status.toString(16)}`);
  must(bad.read(COMMON_CONFIG_MSIX_VECTOR) === VIRTIO_MSI_NO_VECTOR, 'the configuration has a vector');
  for (const queue of [RX, TX]) must(bad.queue(queue, COMMON_QUEUE_ENABLE) === 0, `queue ${queue} is enabled`);
}

const RESETS: readonly Case[] = [
  {
    id: 'R11-vf',
    act: 'resets a VF by VFIO_DEVICE_RESET while frames are in work',
    clause: RESET,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) =>
      inFlight(bench, ({ bad }) => {
        bad.device.reset();
        mustBeCold(bad);
      }),
  },
  {
    id: 'R11-guest',
    act: 'resets a VF by its PCI Express capability while frames are in work',
    clause: RESET,
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) =>
      inFlight(bench, ({ bad }) => {
        bad.device.write(CONFIG, CAP_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
        mustBeCold(bad);
      }),
  },
  {
    id: 'R11-device',
    act: 'resets a VF by its status while frames are in work',
    clause: 'GEN-RESET-01, GEN-RESET-02',
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => inFlight(bench, ({ bad }) => bad.reset()),
  },
  {
    id: 'R11-pf',
    act: 'resets the PF while a VF sends',
    clause: `${RESET}; PCIe 6.0 §9.2.2.3: its VFs are gone with it`,
    allowed: ['served'],
    setup: 'admin',
    isTimed: true,
    leavesDown: true,
    run: (bench) => {
      const member = startMember(bench);
      for (const cycles of DELAYS) {
        member.ring(TX).offer(member.ring(TX).chain(member.readable(goodPacket(member))));
        member.notify(TX);
        bench.advance(cycles);
        bench.bad.device.reset();
        const images = [bench.bad, member].map(({ memory }) => memory.u8.slice());
        const before = bench.messages.length;
        bench.settle();
        const isSame = [bench.bad, member].every(({ memory }, i) => Buffer.compare(memory.u8, images[i]!) === 0);
        must(isSame, `after ${cycles} cycles: memory is written late`);
        must(bench.messages.length === before, `after ${cycles} cycles: an interrupt comes late`);
        must(!bench.nic.isPresent(BAD_VF), 'a VF outlives the reset of its PF');
        bench.enableVfs();
        member.switchOn();
        member.start();
      }
      mustBeCold(bench.bad);
      bench.restartBystander();
      return 'served';
    },
  },
];

function power({ bad: { device } }: Bench, state: number): void {
  device.write(CONFIG, CAP_PM + PCI_PM_CTRL, 2, state);
}

const POWER: readonly Case[] = [
  {
    id: 'R15-read',
    act: 'reads registers of a function in D3hot',
    clause: 'PCIe 6.0 §5.3.1.4.1; linux/vfio.h: EIO',
    allowed: ['error'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { device } = bench.bad;
      power(bench, PCI_PM_D3HOT);
      const outcome = mustRefuse('EIO', () => device.readBytes(VIRTIO_BAR, COMMON_NUM_QUEUES, new Uint8Array(2)));
      power(bench, PCI_PM_D0);
      return outcome;
    },
  },
  {
    id: 'R15-kick',
    act: 'rings a function in D3hot',
    clause: 'PCIe 6.0 §5.3.1.4.1; linux/vfio.h: EIO',
    allowed: ['error'],
    setup: 'net',
    leavesDown: true,
    run: (bench) => {
      const { bad } = bench;
      bad.ring(TX).offer(bad.ring(TX).chain(bad.readable(goodPacket(bad))));
      power(bench, PCI_PM_D3HOT);
      const outcome = mustRefuse('EIO', () =>
        bad.device.writeBytes(VIRTIO_BAR, NOTIFY_BAR_OFFSET, Uint8Array.of(TX, 0)),
      );
      bench.settle();
      mustHaveKept(bench);
      power(bench, PCI_PM_D0);
      return outcome;
    },
  },
  {
    id: 'R15-flight',
    act: 'puts a function to D3hot while frames are in work',
    clause: 'PCIe 6.0 §5.3.1.4.1: no request but PME',
    allowed: ['served'],
    setup: 'net',
    isTimed: true,
    run: (bench) => inFlight(bench, (on) => power(on, PCI_PM_D3HOT)),
  },
];

export const PCI_CASES: readonly Case[] = [...SPACES, ...SRIOV, ...RESETS];
export const POWER_CASES: readonly Case[] = POWER;
