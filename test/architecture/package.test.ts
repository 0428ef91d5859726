// SPDX-License-Identifier: Apache-2.0
// What the package promises: exact versions, a lock file that installs on every platform and from any registry.
import { describe, expect, it } from 'vitest';

import { readRepoFile } from '../support/repo.ts';

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe('package.json', () => {
  const manifest = JSON.parse(readRepoFile('package.json')) as Readonly<Record<string, Record<string, string>>>;

  it('pins every version exactly', () => {
    const versions = Object.entries({
      ...manifest['dependencies'],
      ...manifest['devDependencies'],
      ...manifest['optionalDependencies'],
    });

    expect(versions.length).toBeGreaterThan(10);
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-nightly\.\d+)?$/.test(version))).toEqual([]);
  });

  it('needs no other package at run time', () => {
    expect(Object.keys(manifest['dependencies'] ?? {})).toEqual([]);
  });

  // Sockets with file descriptors need it; everything else goes on without.
  it('can do without its one optional package', () => {
    expect(Object.keys(manifest['optionalDependencies'] ?? {})).toEqual(['koffi']);
  });
});

describe('package-lock.json', () => {
  const text = readRepoFile('package-lock.json');
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, LockedPackage>> };

  it('keeps no download addresses', () => {
    expect(text).not.toContain('"resolved"');
    expect(text).not.toMatch(/https?:\/\/[^"]*\.tgz/);
  });

  // npm leaves out what the registry at hand does not carry, and `npm ci` then refuses the file.
  it('lists the builds of native tools for all platforms', () => {
    const wanted = Object.values(packages).flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}));

    expect(wanted.length).toBeGreaterThan(50);
    expect(wanted.filter((name) => packages[`node_modules/${name}`]?.version === undefined)).toEqual([]);
  });
});
