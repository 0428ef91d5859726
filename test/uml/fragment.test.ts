// SPDX-License-Identifier: Apache-2.0
// Fragments of a kernel's configuration: read, put together, and compared with what the kernel made of them.
import { describe, expect, it } from 'vitest';

import { fragmentText, mergedOptions, readFragment, refusedOptions } from '../../src/linux/fragment.ts';
import { cachedKernel, kernelKey, kernelOptions } from '../../src/linux/kernel.ts';

const read = (text: string): ReturnType<typeof readFragment> => readFragment(text, 'mine.config');

describe('a fragment', () => {
  it('gives options their values, and n to those that are not set', () => {
    const options = read(
      '# about\n\nCONFIG_PCI=y\nCONFIG_ID=1234\nCONFIG_NAME="a b"\n# CONFIG_SOUND is not set\nCONFIG_X=n\n',
    );

    expect(Object.fromEntries(options)).toEqual({
      CONFIG_PCI: 'y',
      CONFIG_ID: '1234',
      CONFIG_NAME: '"a b"',
      CONFIG_SOUND: 'n',
      CONFIG_X: 'n',
    });
  });

  it('is refused with every line that is no setting', () => {
    expect(() => read('CONFIG_PCI=y\nPCI=y\nCONFIG_NET\n')).toThrow(
      'mine.config: line 2: PCI=y, line 3: CONFIG_NET: no setting of a kernel',
    );
  });

  it('that comes later goes first', () => {
    const merged = mergedOptions([read('CONFIG_A=y\nCONFIG_B=y'), read('CONFIG_B=n\nCONFIG_C=m')]);

    expect(fragmentText(merged)).toBe('# CONFIG_B is not set\nCONFIG_A=y\nCONFIG_C=m\n');
  });

  it('is refused by a kernel where it has the option otherwise or not at all', () => {
    const wanted = read('CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=n\nCONFIG_E=1234');
    const made = read('CONFIG_A=y\nCONFIG_C=y\nCONFIG_E=-1');

    expect(refusedOptions(wanted, made)).toEqual([
      { name: 'CONFIG_B', wanted: 'y', got: 'n' },
      { name: 'CONFIG_C', wanted: 'n', got: 'y' },
      { name: 'CONFIG_E', wanted: '1234', got: '-1' },
    ]);
  });
});

describe('the fragments that come along', () => {
  it('ask for the card, its drivers and simulated time', () => {
    const options = kernelOptions('plain', []);

    const needed = [
      'UML_PCI_OVER_VIRTIO',
      'PCI_IOV',
      'VIRTIO_NET',
      'VIRTIO_VFIO_PCI_ADMIN_LEGACY',
      'UML_TIME_TRAVEL_SUPPORT',
    ];
    expect(needed.filter((name) => options.get(`CONFIG_${name}`) !== 'y')).toEqual([]);
    expect(options.get('CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID')).toBe('1234');
    expect(options.has('CONFIG_PROVE_LOCKING')).toBe(false);
  });

  it('of the debug flavour ask for the checks of locking as well', () => {
    const options = kernelOptions('debug', []);

    expect([options.get('CONFIG_PROVE_LOCKING'), options.get('CONFIG_DEBUG_ATOMIC_SLEEP')]).toEqual(['y', 'y']);
    expect([...kernelOptions('plain', [])].filter(([name, value]) => options.get(name) !== value)).toEqual([]);
  });
});

describe('the name of a kernel in the cache', () => {
  const source = { id: '7.3.4-1' };
  const options = read('CONFIG_A=y\nCONFIG_B=n');

  it('says source and flavour, and depends on the options alone, not on their order', () => {
    expect(kernelKey(source, 'plain', options)).toMatch(/^7\.3\.4-1-plain-[0-9a-f]{12}$/);
    expect(kernelKey(source, 'plain', read('# words\nCONFIG_B=n\nCONFIG_A=y'))).toBe(
      kernelKey(source, 'plain', options),
    );
  });

  it('is another one for other options, another flavour, another source', () => {
    const names = [
      kernelKey(source, 'plain', options),
      kernelKey(source, 'plain', read('CONFIG_A=y')),
      kernelKey(source, 'debug', options),
      kernelKey({ id: '7.3.5-1' }, 'plain', options),
    ];

    expect(new Set(names).size).toBe(4);
  });

  it('is not found where there is no cache', () => {
    expect(cachedKernel('/nonexistent', 'plain', options)).toBeNull();
  });
});
