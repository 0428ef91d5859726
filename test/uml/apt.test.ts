// SPDX-License-Identifier: Apache-2.0
// The machine's list of package sources in both forms that apt reads, its release, and versions of Linux.
import { describe, expect, it } from 'vitest';

import { readRelease, readSources } from '../../src/linux/apt.ts';
import { compareVersions } from '../../src/linux/kernel_source.ts';

describe('sources of packages', () => {
  it('are read from lines, with their keys', () => {
    const text = [
      '# deb http://old.example/debian trixie main',
      'deb http://deb.example/debian trixie main contrib # the mirror',
      'deb-src http://deb.example/debian trixie main',
      'deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] https://b.example/ubuntu noble main',
    ].join('\n');

    expect(readSources(text)).toEqual([
      { uri: 'http://deb.example/debian', suite: 'trixie', components: ['main', 'contrib'], signedBy: null },
      { uri: 'https://b.example/ubuntu', suite: 'noble', components: ['main'], signedBy: '/usr/share/keyrings/a.gpg' },
    ]);
  });

  it('are read from paragraphs, one for each suite', () => {
    const text = [
      'Types: deb deb-src',
      '# a word between',
      'URIs: http://deb.example/debian',
      'Suites: trixie trixie-updates',
      'Components: main',
      'Signed-By: /usr/share/keyrings/a.gpg',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://off.example',
      'Suites: trixie',
      'Components: main',
      '',
      'Types: deb-src',
      'URIs: http://source.example',
      'Suites: trixie',
      'Components: main',
    ].join('\n');

    const mirror = { uri: 'http://deb.example/debian', components: ['main'], signedBy: '/usr/share/keyrings/a.gpg' };
    expect(readSources(text)).toEqual([
      { ...mirror, suite: 'trixie' },
      { ...mirror, suite: 'trixie-updates' },
    ]);
  });

  it('are read with the fields on several lines, and without a key that is written out', () => {
    const text =
      'Types: deb\nURIs: http://a.example\nSuites:\n sid\nComponents: main\n non-free\nSigned-By:\n -----BEGIN\n .\n';

    expect(readSources(text)).toEqual([
      { uri: 'http://a.example', suite: 'sid', components: ['main', 'non-free'], signedBy: null },
    ]);
  });
});

describe('the release of the machine', () => {
  it('has a name for people and one for suites', () => {
    const text = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\n';

    expect(readRelease(text)).toEqual({ name: 'Debian GNU/Linux 13 (trixie)', codename: 'trixie' });
  });

  it('is none where nothing says how its suites are called', () => {
    expect(readRelease('PRETTY_NAME="Something Rolling"\n')).toBeNull();
  });
});

describe('versions of Linux', () => {
  it('are in the order of their numbers', () => {
    expect(['6.13', '7.3', '6.9', '6.12.1', '6.12'].toSorted(compareVersions)).toEqual([
      '6.9',
      '6.12',
      '6.12.1',
      '6.13',
      '7.3',
    ]);
    expect(compareVersions('6.13', '6.13.0')).toBe(0);
  });
});
