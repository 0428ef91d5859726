// SPDX-License-Identifier: Apache-2.0
// What the variant driver decides when it is bound, and what open, close and reset do to a transitional VF.
import { describe, expect, it } from 'vitest';

import { VirtioVfioPci } from '../../src/variant/virtio_vfio_pci.ts';
import { VfioError } from '../../src/util/errors.ts';
import { RecordedCore, RecordedPf, boundVf, notifyEntry } from '../support/variant_fakes.ts';

const error = (code: string) => expect.objectContaining({ name: 'VfioError', code });
const member = notifyEntry(2, 2, 0x3000);
const owner = notifyEntry(1, 0, 0x1000);
const end = notifyEntry(0, 0, 0);

function pfWith(...entries: readonly (readonly number[])[]): RecordedPf {
  const bytes = entries.flat();
  return new RecordedPf().answer(...bytes, ...new Uint8Array(64 - bytes.length));
}

describe('choice of behaviour', () => {
  it.each([
    { commands: 0x7c, limit: 0, bar0: 0, deviceId: 0x1041, kind: 'trans-lm' },
    { commands: 0x3e7fc, limit: 4, bar0: 0, deviceId: 0x1041, kind: 'trans-lm' },
    { commands: 0x3c, limit: 0, bar0: 0, deviceId: 0x1041, kind: 'plain' },
    { commands: 0x78, limit: 0, bar0: 0, deviceId: 0x1041, kind: 'plain' },
    { commands: 0x7c, limit: 0, bar0: 4096, deviceId: 0x1041, kind: 'plain' },
    { commands: 0x7c, limit: 0, bar0: 0, deviceId: 0x1042, kind: 'plain' },
    { commands: 0x3e7fc, limit: 4, bar0: 4096, deviceId: 0x1041, kind: 'lm' },
    { commands: 0x3e7fc, limit: 4, bar0: 0, deviceId: 0x1042, kind: 'lm' },
    { commands: 0x3e780, limit: 1, bar0: 0, deviceId: 0x1041, kind: 'lm' },
    { commands: 0x3e780, limit: 0, bar0: 0, deviceId: 0x1041, kind: 'plain' },
    { commands: 0x1e780, limit: 4, bar0: 0, deviceId: 0x1041, kind: 'plain' },
    { commands: 0, limit: 0, bar0: 0, deviceId: 0x1041, kind: 'plain' },
  ])(
    'used list $commands, limit $limit, BAR0 of $bar0, id $deviceId: $kind',
    ({ commands, limit, bar0, deviceId, kind }) => {
      const core = new RecordedCore();
      core.sizes[0] = bar0;
      new DataView(core.config.buffer).setUint16(2, deviceId, true);
      const pf = pfWith(member);
      pf.supportedCommands = commands;
      pf.devicePartsLimit = limit;

      expect(new VirtioVfioPci(core, pf, 0).kind).toBe(kind);
    },
  );

  it('a PF, and a VF whose PF has no virtio driver, are plain', () => {
    expect(new VirtioVfioPci(new RecordedCore(), pfWith(member), null).kind).toBe('plain');
    expect(new VirtioVfioPci(new RecordedCore(), null, 0).kind).toBe('plain');
  });

  it('a plain function keeps id, revision and BAR0, and region 0 goes to the core', () => {
    const core = new RecordedCore();
    core.sizes[0] = 4096;
    core.readValue = 0x77;
    const device = new VirtioVfioPci(core, pfWith(member), 0);

    expect(device.read(7, 0, 4)).toBe(0x1041_1af4);
    expect(device.read(7, 8, 1)).toBe(1);
    expect(device.regionInfo(0).size).toBe(4096);
    expect(device.read(0, 18, 1)).toBe(0x77);
    expect(device.readBytes(7, 2, new Uint8Array(2))).toBe(2);
  });
});

describe('LEGACY_NOTIFY_INFO', () => {
  it('is asked once, for member VF + 1, without data, with 64 bytes of result', () => {
    const pf = pfWith(member);

    const device = new VirtioVfioPci(new RecordedCore(), pf, 4);

    expect(device.kind).toBe('trans-lm');
    expect(pf.log).toEqual(['6 group 1 member 5 [] 64']);
  });

  it.each([
    { what: 'the first member entry wins', entries: [member, notifyEntry(2, 4, 0)], place: 'write 2 12288' },
    { what: 'owner entries are passed over', entries: [owner, owner, owner, notifyEntry(2, 4, 8)], place: 'write 4 8' },
    { what: 'flags 3 is not exactly 2', entries: [notifyEntry(3, 1, 4), member], place: 'write 2 12288' },
    {
      what: 'reserved bar numbers are not looked at',
      entries: [notifyEntry(0x82, 0, 0), member],
      place: 'write 2 12288',
    },
  ])('$what', ({ entries, place }) => {
    const core = new RecordedCore();
    const device = new VirtioVfioPci(core, pfWith(...entries), 0);
    device.open();
    device.write(7, 4, 2, 1);

    device.write(0, 16, 2, 0);

    expect(core.log.at(-1)).toBe(`${place} 2 0x0`);
  });

  it.each([
    { what: 'there is no entry', entries: [] },
    { what: 'all are the owner’s', entries: [owner, owner, owner, owner] },
    { what: 'the member entry is behind the end mark', entries: [owner, end, member] },
  ])('ENOENT when $what', ({ entries }) => {
    expect(() => new VirtioVfioPci(new RecordedCore(), pfWith(...entries), 0)).toThrow(error('ENOENT'));
  });

  it('bytes that the device did not write count as zero', () => {
    const pf = new RecordedPf().answer(...owner);

    expect(() => new VirtioVfioPci(new RecordedCore(), pf, 0)).toThrow(error('ENOENT'));
  });

  it('a failing command fails the probe with its status', () => {
    expect(() => new VirtioVfioPci(new RecordedCore(), new RecordedPf().fail(12), 0)).toThrow(error('ENOMEM'));
  });

  it('an offset above 4 GiB is taken whole', () => {
    const core = new RecordedCore();
    const device = new VirtioVfioPci(core, pfWith([...member.slice(0, 12), 1, 0, 0, 0]), 0);
    device.open();
    device.write(7, 4, 2, 1);

    device.write(0, 16, 2, 3);

    expect(core.log.at(-1)).toBe(`write 2 ${0x1_0000_3000} 2 0x3`);
  });
});

describe('open, close and reset', () => {
  it('open() with a notify area in a BAR that the VF lacks closes the device again', () => {
    const core = new RecordedCore();
    const device = new VirtioVfioPci(core, pfWith(notifyEntry(2, 3, 0)), 0);
    core.log.length = 0;

    expect(() => device.open()).toThrow(error('ENOMEM'));
    expect(core.log).toEqual(['open', 'close']);
  });

  it('a bar number above 5 is refused at open', () => {
    const device = new VirtioVfioPci(new RecordedCore(), pfWith(notifyEntry(2, 7, 0)), 0);

    expect(() => device.open()).toThrow(error('ENOMEM'));
  });

  it.each([
    ['reset()', (device: VirtioVfioPci) => device.reset()],
    ['close() and open()', (device: VirtioVfioPci) => (device.close(), device.open())],
    ['the FLR bit in a 2-byte write', (device: VirtioVfioPci) => device.write(7, 0x48, 2, 0x8000)],
    ['the FLR bit in a 1-byte write', (device: VirtioVfioPci) => device.write(7, 0x49, 1, 0x80)],
    ['the FLR bit in a long write', (device: VirtioVfioPci) => device.writeBytes(7, 0x48, Uint8Array.of(0, 0x80, 0))],
  ])('%s forgets the command bit: BAR0 is EIO until it is set again', (_what, reset) => {
    const { device } = boundVf();

    reset(device);

    expect(() => device.read(0, 18, 1)).toThrow(error('EIO'));
    expect(device.read(7, 4, 2)).toBe(0x0002);
    device.write(7, 4, 2, 1);
    expect(device.read(0, 18, 1)).toBe(0);
  });

  it('a device control write without the FLR bit resets nothing', () => {
    const { device } = boundVf();

    device.write(7, 0x48, 2, 0x7fff);

    expect(device.read(0, 18, 1)).toBe(0);
  });

  it('a write at 0 is no FLR where the function has none', () => {
    const core = new RecordedCore();
    core.config.fill(0, 0x44, 0x48);
    const device = new VirtioVfioPci(core, pfWith(member), 0);
    device.open();
    device.write(7, 4, 2, 1);

    device.writeBytes(7, 0, Uint8Array.of(0xff));
    device.write(7, 0x48, 2, 0x8000);

    expect(device.read(0, 18, 1)).toBe(0);
  });

  it.each([
    ['reset()', (device: VirtioVfioPci) => device.reset()],
    ['close() and open()', (device: VirtioVfioPci) => (device.close(), device.open())],
  ])('the BAR0 address survives %s', (_what, reset) => {
    const { device } = boundVf();
    device.write(7, 0x10, 4, 0xc000);

    reset(device);

    expect(device.read(7, 0x10, 4)).toBe(0xc001);
  });

  it('the MSI-X boundary survives reset, not close', () => {
    const { device, pf } = boundVf();
    const boundaryOpcode = () => {
      device.write(7, 4, 2, 1);
      pf.log.length = 0;
      device.read(0, 20, 1);
      return pf.log[0]?.split(' ')[0];
    };
    device.setIrqs(2, 0, [null]);

    device.reset();
    const afterReset = boundaryOpcode();
    device.close();
    device.open();

    expect([afterReset, boundaryOpcode()]).toEqual(['3', '5']);
  });

  it('other irq indices, and a refused SET_IRQS, do not move the boundary', () => {
    const { device, core, pf } = boundVf();
    device.setIrqs(4, 0, [null]);
    core.failure = new VfioError('EINVAL', 'refused');
    expect(() => device.setIrqs(2, 0, [null])).toThrow(error('EINVAL'));
    core.failure = null;

    device.read(0, 20, 1);

    expect(pf.log).toEqual(['5 group 1 member 5 [0] 1']);
  });

  it('a reset that the core refuses keeps the command bit', () => {
    const { device, core } = boundVf();
    core.failure = new VfioError('EINVAL', 'no reset');
    expect(() => device.reset()).toThrow(error('EINVAL'));
    core.failure = null;

    expect(device.read(0, 18, 1)).toBe(0);
  });

  it.each([-1, 0.5])('VF index %d is refused', (index) => {
    expect(() => new VirtioVfioPci(new RecordedCore(), null, index)).toThrow(
      expect.objectContaining({ code: 'VF_INDEX' }),
    );
  });
});
