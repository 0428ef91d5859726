// SPDX-License-Identifier: Apache-2.0
// `virtfn regs`: the decoded registers of a function, with values that the specification or the drivers fix.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { CliProgram } from '../support/cli_program.ts';

interface JsonRegister {
  readonly name: string;
  readonly offset: number;
  readonly width: number;
  readonly access: string;
  readonly value: string;
  readonly bits?: Readonly<Record<string, number>>;
}

interface JsonSection {
  readonly block: string;
  readonly title: string;
  readonly place: string;
  readonly registers: readonly JsonRegister[];
}

let program: CliProgram;
beforeAll(() => {
  program = new CliProgram();
});
afterAll(() => program.remove());

function text(...args: string[]): string {
  const { code, stdout, stderr } = program.run('regs', ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

function sections(...args: string[]): readonly JsonSection[] {
  const parsed = JSON.parse(text(...args, '--json')) as { schema: string; sections: JsonSection[] };
  expect(parsed.schema).toBe('virtfn.registers/1');
  return parsed.sections;
}

/** Values by name of the only, or the given, section of a block. */
function values(all: readonly JsonSection[], block: string, title = ''): Readonly<Record<string, string>> {
  const found = all.filter((section) => section.block === block && section.title.startsWith(title));
  expect(found).toHaveLength(1);
  return Object.fromEntries(found[0]!.registers.map((register) => [register.name, register.value]));
}

describe('a PF without a driver', () => {
  const all = (): readonly JsonSection[] => sections('pf');

  it('is what the specification says after reset', () => {
    const pf = all();

    expect(values(pf, 'pci_header')).toMatchObject({
      vendor_id: '0x1af4',
      device_id: '0x1041',
      revision_id: '0x01',
      class_device: '0x0200',
      base_address_0: '0x00000000',
    });
    const common = pf.find(({ block, title }) => block === 'virtio_pci_common_cfg' && title === '');
    expect(common!.registers.find(({ name }) => name === 'device_status')).toMatchObject({
      offset: 0x14,
      width: 1,
      access: 'RW',
      value: '0x00',
      bits: { acknowledge: 0, driver: 0, driver_ok: 0, features_ok: 0, device_needs_reset: 0, failed: 0 },
    });
    expect(values(pf, 'virtio_pci_common_cfg', 'queue 0')).toMatchObject({
      queue_enable: '0x0000',
      queue_msix_vector: '0xffff',
      queue_desc: '0x0000000000000000',
    });
  });

  it('offers VERSION_1, SR_IOV and ADMIN_VQ', () => {
    const words = all().filter(({ title }) => title.startsWith('feature bits 32'));

    expect(words).toHaveLength(1);
    expect(words[0]!.registers[0]!.bits).toMatchObject({ f_version_1: 1, f_sr_iov: 1, f_admin_vq: 1 });
  });

  it('has no legacy registers', () => {
    expect(all().map(({ block }) => block)).not.toContain('virtio_pci_legacy');
  });
});

describe('a PF with its driver', () => {
  it('runs its queues, the admin queue among them', () => {
    const pf = sections('pf', '--driver', 'modern');

    expect(values(pf, 'virtio_pci_common_cfg', 'queue 0')).toMatchObject({ queue_enable: '0x0001' });
    expect(values(pf, 'virtio_pci_common_cfg', 'queue 3')).toMatchObject({ queue_enable: '0x0001' });
    expect(values(pf, 'pci_sriov')).toMatchObject({ num_vf: '0x0008', total_vf: '0x0008', vf_did: '0x1041' });
  });
});

describe('a VF', () => {
  it('answers vendor id 0xffff and has no BARs of its own in configuration space', () => {
    expect(values(sections('vf1'), 'pci_vf_header')).toMatchObject({
      vendor_id: '0xffff',
      device_id: '0xffff',
      base_address_2: '0x00000000',
    });
  });

  it('shows the legacy registers through admin commands, 20 bytes without MSI-X and 24 with it', () => {
    const without = values(sections('vf2'), 'virtio_pci_legacy');
    const running = values(sections('vf2', '--driver', 'legacy'), 'virtio_pci_legacy');

    expect(without).toMatchObject({ device_status: '0x00', queue_address: '0x00000000' });
    expect(without).not.toHaveProperty('config_msix_vector');
    expect(running).toMatchObject({ device_status: '0x07', config_msix_vector: '0x0000' });
    expect(Number(running['queue_address'])).toBeGreaterThan(0);
  });

  it('is addressed by its number', () => {
    for (const vf of [1, 8]) {
      const mac = `02:76:66:00:00:0${vf}`;
      expect(values(sections(`vf${vf}`), 'virtio_net_config')).toMatchObject({ mac });
      expect(values(sections(`vf${vf}`), 'virtio_net_legacy_config')).toMatchObject({ mac });
    }
  });

  it('maps the vectors of its driver', () => {
    const entry = values(sections('vf1', '--driver', 'modern'), 'pci_msix_entry', 'vector 1');

    expect(entry).toEqual({
      lower_addr: '0xfee00000',
      upper_addr: '0x00000000',
      data: '0x00000001',
      vector_ctrl: '0x00000000',
    });
  });

  it('keeps ISR status out, which reading clears', () => {
    const all = sections('vf1', '--driver', 'legacy');

    expect(all.find(({ block }) => block === 'virtio_pci_isr')).toMatchObject({
      title: 'status not read: reading clears it',
      registers: [],
    });
    expect(values(all, 'virtio_pci_legacy')).not.toHaveProperty('isr_status');
  });
});

describe('the text', () => {
  it('has a line for each register with offset, access, name, value and bits', () => {
    const out = text('vf1', '--driver', 'modern', '--block', 'virtio_pci_common_cfg');

    expect(out).toMatch(/^virtio_pci_common_cfg {2}\(BAR2 \+ 0x0000\)$/m);
    expect(out).toMatch(/^ {2}0x14 {2}RW {3}device_status +0x0f +acknowledge driver driver_ok features_ok$/m);
    expect(out).toMatch(/^ {2}0x0c {2}RW {3}driver_feature +0x[0-9a-f]{8} {2}.*net_f_mac/m);
    expect(out).not.toContain('pci_vf_header');
  });

  it('has every block of the function where none is named', () => {
    const heads = text('pf').match(/^\w+(?=:|  \()/gm)!;

    expect(new Set(heads)).toEqual(
      new Set([
        'pci_header',
        'pci_pm',
        'pci_msix',
        'pci_express',
        'virtio_pci_cap',
        'virtio_pci_notify_cap',
        'virtio_pci_cfg_cap',
        'pci_ari',
        'pci_sriov',
        'virtio_pci_common_cfg',
        'virtio_pci_isr',
        'virtio_net_config',
        'pci_msix_entry',
      ]),
    );
  });
});
