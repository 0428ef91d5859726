// SPDX-License-Identifier: Apache-2.0
// Bytes to named values: whole blocks as a driver would read them, with the numbers worked out by hand.
import { describe, expect, it } from 'vitest';

import { findRegisterBlock } from '../../src/registers/blocks.ts';
import { type DecodedRegister, bitsText, decodeBlock, registersText } from '../../src/registers/decode.ts';

/** Registers of a block read from hexadecimal digits; blanks are for the reader. */
function decoded(block: string, digits: string): Map<string, DecodedRegister> {
  const registers = decodeBlock(
    findRegisterBlock(block)!,
    Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex')),
  );
  return new Map(registers.map((register) => [register.name, register]));
}

describe('decodeBlock', () => {
  const COMMON = `00000000 2000a910 01000000 01000000
    0300 0300 0f 02 0100 0001 ffff 0100 0100
    00f0debc 9a785634 0010000000000000 0020000000000000
    0000 0000 0300 0100`;

  it('reads fields in little-endian order', () => {
    const common = decoded('virtio_pci_common_cfg', COMMON);

    expect(common.get('device_feature')?.value).toBe(0x10a90020n);
    expect(common.get('num_queues')?.value).toBe(3n);
    expect(common.get('queue_size')).toMatchObject({ offset: 24, width: 2, value: 256n, text: '0x0100' });
  });

  it('joins the halves of a 64-bit field', () => {
    const common = decoded('virtio_pci_common_cfg', COMMON);

    expect(common.get('queue_desc')).toMatchObject({
      width: 8,
      value: 0x3456789abcdef000n,
      text: '0x3456789abcdef000',
    });
    expect(common.has('queue_desc_hi')).toBe(false);
  });

  it('names the bits that are set', () => {
    const status = decoded('virtio_pci_common_cfg', COMMON).get('device_status')!;

    expect(bitsText(status)).toBe('acknowledge driver driver_ok features_ok');
    expect(status.bits.find(({ name }) => name === 'failed')?.value).toBe(0);
  });

  it('gives the value of a field without the bits below it', () => {
    // LNKCAP: 8 GT/s (3), 8 lanes (8 << 4), port 1 (1 << 24)
    const lnkcap = decoded('pci_express', `${'00'.repeat(12)} 83000001`).get('lnkcap')!;

    expect(bitsText(lnkcap)).toBe('sls=3 mlw=8 pn=1');
  });

  it('writes the six bytes of a mac as an Ethernet address', () => {
    const mac = decoded('virtio_net_config', '52540012 3456 0100').get('mac');

    expect(mac).toMatchObject({ width: 6, text: '52:54:00:12:34:56', value: 0x563412005452n });
  });

  it('leaves out what the bytes end before', () => {
    const legacy = decoded('virtio_pci_legacy', '00'.repeat(20));

    expect([...legacy.keys()].at(-1)).toBe('isr_status');
    expect(legacy.size).toBe(8);
  });

  it('leaves out a register that the bytes cut in two', () => {
    expect([...decoded('virtio_pci_legacy', '00'.repeat(7)).keys()]).toEqual(['device_features']);
  });

  it('finds nothing in no bytes', () => {
    expect(decoded('pci_header', '').size).toBe(0);
  });

  it('decodes the reset values of every register of the header of a VF', () => {
    const header = decoded('pci_vf_header', 'ffffffff 04001000 01000002');

    expect(header.get('vendor_id')?.text).toBe('0xffff');
    expect(bitsText(header.get('command')!)).toBe('master');
    expect(bitsText(header.get('status')!)).toBe('cap_list');
    expect(header.get('class_device')?.text).toBe('0x0200');
  });
});

describe('registersText', () => {
  it('writes one aligned line for each register', () => {
    const registers = [...decoded('pci_msix', '11 00 1f80 04000000 04080000').values()];

    expect(registersText(registers).split('\n')).toEqual([
      '0x00  RO   cap_id  0x11',
      '0x01  RO   next    0x00',
      '0x02  RW   flags   0x801f      qsize=31 enable',
      '0x04  RO   table   0x00000004  bir=4',
      '0x08  RO   pba     0x00000804  bir=4',
    ]);
  });

  it('is empty for no registers', () => {
    expect(registersText([])).toBe('');
  });
});
