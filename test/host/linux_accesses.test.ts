// SPDX-License-Identifier: Apache-2.0
// The drivers against a recorded kernel: what Linux 7.3 did to a function when it was unbound, bound and brought up, as
// test/guests/accesses.guest.ts recorded it, and what this project's drivers do to the same function of the same card.
// What differs is named here, case by case, and in the heads of the drivers.
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { enumerate } from '../../src/device/bus.ts';
import { NicClock } from '../../src/device/clock.ts';
import { createNic, type Nic } from '../../src/device/nic.ts';
import { Recorder, type RecordedAccess } from '../../src/measure/recorder.ts';
import { PfDriver } from '../../src/guest/pf_driver.ts';
import { VirtioModern } from '../../src/guest/virtio_modern.ts';
import { VirtioNet } from '../../src/guest/virtio_net.ts';
import { VirtioNetLegacy } from '../../src/guest/virtio_net_legacy.ts';
import { DmaBuffer } from '../../src/iommufd/dma_buffer.ts';
import { Ioas } from '../../src/iommufd/ioas.ts';
import { Machine } from '../../src/machine/machine.ts';
import { Sriov } from '../../src/guest/sriov.ts';
import type { AccessSize, VfioDevice } from '../../src/vfio/vfio_device.ts';
import { VfioPci } from '../../src/vfio/vfio_pci.ts';
import { ScriptedClock } from '../support/plain_memory.ts';
import { RegisterFunction } from '../support/register_function.ts';
import { repoPath } from '../support/repo.ts';

const CONFIG = 7;
/** As the recorded card was given it. */
const MAC = '02:00:00:00:00:00';

type Section = 'unbind' | 'bind' | 'up' | 'boot' | 'enable' | 'disable';

/** A recorded list in its sections. */
function recorded(name: string): Record<Section, string[]> {
  const sections: Record<string, string[]> = {};
  let section: string[] = [];
  for (const line of readFileSync(repoPath(`test/fixtures/linux/${name}.txt`), 'utf8').split('\n')) {
    const title = /^\[(\w+)\]$/.exec(line);
    if (title !== null) section = sections[title[1]!] = [];
    else if (line !== '' && !line.startsWith('#')) section.push(masked(line));
  }
  return sections as Record<Section, string[]>;
}

/** Addresses in the memory of whoever drives the card, and a count of what befell the card before. */
function masked(line: string): string {
  return line
    .replace(/^(BAR2 w 0x0(?:2[048c]|3[04]) 4|BAR0 w 0x008 4) = 0x(?!0$)[0-9a-f]+$/, '$1 = *')
    .replace(/^(BAR2 w 0x0(?:2[4c]|34) 4) = 0x0$/, '$1 = *') // the upper halves may be 0
    .replace(/^(BAR2 r 0x015 1) = .*/, '$1 = *'); // config_generation
}

/** Accesses in the form of the recording; interrupts are the host's, and not in it. */
function lines(accesses: readonly RecordedAccess[]): string[] {
  return accesses
    .filter(({ kind }) => kind !== 'irqs')
    .map(({ kind, region, offset, bytes, value }) => {
      const place = region === CONFIG ? 'config' : `BAR${region}`;
      const at = `0x${offset.toString(16).padStart(3, '0')}`;
      return `${place} ${kind[0]} ${at} ${bytes} = 0x${value.toString(16)}`;
    })
    .map(masked);
}

const isBar = (line: string): boolean => line.startsWith('BAR');

/** The capability list, the structures, and the SR-IOV capability where it is looked for. */
function isVirtioConfig(line: string): boolean {
  const offset = Number(/^config . (0x[0-9a-f]+)/.exec(line)?.[1] ?? 0);
  // 0x44 is the power state, 0x4a to 0x4c are MSI-X, 0x3d is the interrupt pin: the PCI core's
  return offset === 6 || offset === 0x34 || (offset >= 0x40 && ![0x44, 0x4a, 0x4c].includes(offset));
}

/** What QEMU shows its guest: the function, without extended configuration space. */
function asQemuShows(device: VfioDevice): VfioDevice {
  return new Proxy(device, {
    get(target, name) {
      if (name === 'read') {
        return (region: number, offset: number, size: AccessSize): number =>
          region === CONFIG && offset >= 0x100 ? 0 : target.read(region, offset, size);
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function recorder(device: VfioDevice, nic: Nic): Recorder {
  return new Recorder(device, { now: () => nic.now(), commands: () => 0 });
}

/** What `work` does to the device. */
function during(device: Recorder, work: () => void): string[] {
  const begin = device.accesses.length;
  work();
  return lines(device.accesses.slice(begin));
}

describe('the PF, by the modern driver with its admin queue', () => {
  const linux = recorded('pf');
  const nic = createNic({ totalVfs: 1, mode: 'functional', mac: MAC });
  const bus = enumerate(nic);
  const device = recorder(asQemuShows(new VfioPci(nic, 0, bus)), nic);
  const ioas = new Ioas(nic);
  const memory = new DmaBuffer(nic, ioas, 2 << 20);
  device.attach(ioas);
  let pf!: PfDriver;
  const found = during(device, () => (pf = new PfDriver(device, memory, new NicClock(nic))));
  const started = during(device, () => pf.start());
  const stopped = during(device, () => pf.stop());

  it('walks configuration space as Linux does when it binds', () => {
    // Before that this driver reads the ids and looks for SR-IOV, which Linux's PCI core has done at boot.
    const walk = linux.bind.filter(isVirtioConfig).filter((line) => !line.startsWith('config r 0x100'));
    expect(found.filter(isVirtioConfig).slice(-walk.length)).toEqual(walk);
    expect(walk.length).toBeGreaterThan(60); // four walks and what is read of each structure
  });

  it('makes the same accesses to registers, from the reset to the first look at the link', () => {
    const all = [...linux.bind, ...linux.up].filter(isBar);
    expect(started.filter(isBar)).toEqual(all);
  });

  it('looks for SR-IOV between the features of the device and its own', () => {
    const around = (list: readonly string[]): string[] => {
      const at = list.findIndex((line) => line.startsWith('config r 0x100'));
      return list.slice(at - 1, at + 2);
    };
    expect(around(started)).toEqual(around(linux.bind));
  });

  it('leaves it as Linux does when it unbinds', () => {
    expect(stopped.filter(isBar)).toEqual(linux.unbind.filter(isBar));
  });
});

describe('a VF with two queue pairs, by the modern driver', () => {
  const linux = recorded('vf');
  const machine = new Machine({ totalVfs: 1, mode: 'functional', mac: MAC, pfQueuePairs: 2, vfQueuePairs: 2 });
  const device = recorder(asQemuShows(machine.openVf(1)), machine.nic);
  const memory = machine.memoryFor(device);
  const net = new VirtioNet(new VirtioModern(device), memory, machine.clock, { queuePairs: 2 });
  const started = during(device, () => net.start());
  const stopped = during(device, () => net.stop());

  it('makes the same accesses to registers, from the reset to the first look at the link', () => {
    expect(started.filter(isBar)).toEqual([...linux.bind, ...linux.up].filter(isBar));
  });

  it('leaves it as Linux does when it unbinds', () => {
    expect(stopped.filter(isBar)).toEqual(linux.unbind.filter(isBar));
  });
});

describe('a VF behind the variant driver, by the legacy driver', () => {
  const linux = recorded('legacy');
  const machine = new Machine({ totalVfs: 1, mode: 'functional', mac: MAC });
  const device = recorder(machine.openTransitionalVf(1), machine.nic);
  const net = new VirtioNetLegacy(device, machine.memoryFor(device), machine.clock);
  const started = during(device, () => net.start());
  const stopped = during(device, () => net.stop());

  it('makes the same accesses to BAR0, from the reset to the first look at the link', () => {
    expect(started.filter(isBar)).toEqual([...linux.bind, ...linux.up].filter(isBar));
  });

  it('leaves it as Linux does when it unbinds', () => {
    expect(stopped.filter(isBar)).toEqual(linux.unbind.filter(isBar));
  });

  it('writes common registers 22 times until DRIVER_OK', () => {
    const common = started.slice(0, started.indexOf('BAR0 w 0x012 1 = 0x7') + 1);
    // status 4 (0, 1, 3, 7), features, config vector; of each queue three selects and an address, and for those with
    // interrupts, two of the three, one select and a vector more
    expect(common.filter((line) => line.startsWith('BAR0 w'))).toHaveLength(4 + 1 + 1 + 3 * (3 + 1) + 2 * (1 + 1));
  });
});

/** Configuration space that answers, access by access, what the recorded one did. */
class Replay extends RegisterFunction {
  /** What was done to it, in the form of the recording. */
  readonly done: string[] = [];
  private readonly script: readonly string[];

  constructor(script: readonly string[]) {
    super();
    this.script = script;
  }

  override read(region: number, offset: number, size: AccessSize): number {
    // The walk to PCI Express, which Linux made when it found the function.
    if (region === CONFIG && offset < 0x100 && offset !== 4) return super.read(region, offset, size);
    const value = this.script[this.done.length]?.split(' = ')[1] ?? '0x0';
    this.note('r', offset, size, value);
    return Number(value);
  }

  override write(_region: number, offset: number, size: AccessSize, value: number): void {
    this.note('w', offset, size, `0x${value.toString(16)}`);
  }

  private note(direction: 'r' | 'w', offset: number, size: number, value: string): void {
    this.done.push(`config ${direction} 0x${offset.toString(16).padStart(3, '0')} ${size} = ${value}`);
  }
}

describe('SR-IOV, of a PF with two VFs that QEMU emulates', () => {
  const linux = recorded('sriov');
  const START = 'config r 0x108 2 = 0x0';
  const END = 'config w 0x110 2 = 0x0'; // NumVFs 0, and then offset and stride
  const begin = linux.boot.indexOf(START);
  const end = linux.boot.indexOf(END) + 3;
  const isOfSriov = (line: string): boolean => !/^config . 0x004/.test(line);
  /** Behind the discovery: where the BARs go. The first of them that Linux places is the larger. */
  const placing = linux.boot.slice(end).filter((line) => /^config (?:r 0x108|w 0x1[23])/.test(line));

  it('discovery, addresses, two VFs and none again are the recorded accesses, with their values', () => {
    const walk = ['config r 0x100 4 = 0x14010010']; // SR-IOV itself
    const script = [walk, linux.boot.slice(begin, end), placing, linux.enable, linux.disable].flat();
    const device = new Replay(script);

    const sriov = Sriov.find(device, new ScriptedClock())!;
    sriov.placeBar(4, 0xfea0_4000);
    sriov.placeBar(1, 0xfe64_1000);
    sriov.enable(2);
    sriov.disable();

    expect(device.done).toEqual(script);
    expect(sriov.bars).toMatchObject([
      { index: 1, size: 0x1000, is64Bit: false },
      { index: 4, size: 0x4000, is64Bit: true },
    ]);
    expect(script.filter(isOfSriov).length).toBeGreaterThan(60);
  });
});

describe('a legacy driver takes the MTU of its function, and has memory for it', () => {
  it.each([1500, 9000])('%i', (mtu) => {
    const machine = new Machine({ totalVfs: 1, mode: 'functional', mtu });

    const driver = machine.startLegacy(1);

    expect([driver.mtu, driver.tx!.maxFrameBytes]).toEqual([mtu, mtu + 22]); // Ethernet header, two VLAN tags
  });
});
