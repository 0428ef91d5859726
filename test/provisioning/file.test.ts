// SPDX-License-Identifier: Apache-2.0
// Provisioning files: every mistake is named at once with a JSON pointer that leads to it (RFC 6901), good files are read as
// they stand. What a pointer leads to is looked up by a reader of pointers of the test's own.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createNic } from '../../src/device/nic.ts';
import { ProvisionedCard } from '../../src/provisioning/card.ts';
import { readProvisionFile } from '../../src/provisioning/file.ts';
import { checkHealth } from '../../src/provisioning/inspect.ts';
import { FileProblems, type Problem } from '../../src/util/problems.ts';

const LIMITS = { totalVfs: 16, onDemandFunctions: 2 };

function problemsOf(file: unknown, limits = LIMITS): readonly Problem[] {
  try {
    readProvisionFile(typeof file === 'string' ? file : JSON.stringify(file), limits);
  } catch (error) {
    if (error instanceof FileProblems) return error.problems;
    throw error;
  }
  return [];
}

/** What a JSON pointer leads to. */
function at(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (part, name) => (part as Record<string, unknown>)[name.replaceAll('~1', '/').replaceAll('~0', '~')],
      value,
    );
}

describe('a bad file', () => {
  const BAD = {
    profiles: {
      'a/b': { mtu: 67, trust: 'yes' },
      slow: { rateMbps: 1.5, vlan: 4095, colour: 'red' },
      none: 3,
      some: { withoutFeatures: ['VIRTIO_NET_F_MAC', 'VIRTIO_NET_F_NO', 99] },
    },
    functions: [
      { vf: 17 },
      { vf: 1, profile: 'fast' },
      { vfs: '3-2' },
      { vfs: '2-4', mac: '02:00:00:00:00:01' },
      { vf: 4, queueSize: 100, notify: 'both' },
      { vf: '5' },
      { onDemand: 3 },
      { profile: 'slow' },
      { vf: 6, vfs: '6-7' },
      'vf8',
    ],
    numVfs: -1,
    extra: true,
  };

  it('is refused with all its mistakes, each at its place', () => {
    const problems = problemsOf(BAD);

    expect(problems.map(({ path }) => path).sort()).toEqual(
      [
        '/extra',
        '/functions/0/vf',
        '/functions/1/profile',
        '/functions/2/vfs',
        '/functions/3/mac',
        '/functions/4',
        '/functions/4/notify',
        '/functions/4/queueSize',
        '/functions/5/vf',
        '/functions/6/onDemand',
        '/functions/7',
        '/functions/8',
        '/functions/9',
        '/numVfs',
        '/profiles/a~1b/mtu',
        '/profiles/a~1b/trust',
        '/profiles/none',
        '/profiles/slow/colour',
        '/profiles/slow/rateMbps',
        '/profiles/slow/vlan',
        '/profiles/some/withoutFeatures/1',
        '/profiles/some/withoutFeatures',
      ].sort(),
    );
    for (const { path, message } of problems) {
      expect(at(BAD, path)).toBeDefined();
      expect(message).not.toBe('');
    }
  });

  it.each([
    ['no JSON', '{ "profiles": '],
    ['no object', '[]'],
    ['functions that are no list', '{ "functions": {} }'],
    ['profiles that are no object', '{ "profiles": [] }'],
  ])('%s is one problem', (_name, text) => {
    expect(problemsOf(text)).toHaveLength(1);
  });

  it('each mistake of a profile stands behind its field, however many there are', () => {
    const wrong = {
      mac: fc.constantFrom('', '02:00', '03:00:00:00:00:00', 5),
      mtu: fc.constantFrom(0, 67, 9001, 1.5, '1500'),
      queuePairs: fc.constantFrom(0, 9),
      queueSize: fc.constantFrom(0, 1, 3, 512),
      vectors: fc.constantFrom(1, 33),
      legacy: fc.constantFrom(0, 'on'),
      notify: fc.constantFrom('', 'pf'),
      vlan: fc.constantFrom(-1, 4095),
      rateMbps: fc.constantFrom(-1, 400_001),
      spoofCheck: fc.constantFrom(1),
      trust: fc.constantFrom('off'),
      migration: fc.constantFrom([]),
    };
    fc.assert(
      fc.property(fc.record(wrong, { requiredKeys: [] }), fc.nat(5), (fields, index) => {
        const functions = Array.from({ length: index }, (_, i) => ({ vf: i + 2 }));
        const found = problemsOf({ functions: [...functions, { vf: 1, ...fields }] }).map(({ path }) => path);
        expect(found.sort()).toEqual(
          Object.keys(fields)
            .map((name) => `/functions/${index}/${name}`)
            .sort(),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('a good file', () => {
  it('says for each function what it is to be', () => {
    const file = readProvisionFile(
      JSON.stringify({
        profiles: { tenant: { mtu: 9000, withoutFeatures: ['VIRTIO_NET_F_MRG_RXBUF', 29] } },
        functions: [
          { vf: 1, profile: 'tenant', mtu: 1400 },
          { vfs: '3-4', profile: 'tenant' },
          { onDemand: '1-2', vlan: 5 },
        ],
        numVfs: 4,
      }),
      LIMITS,
    );

    expect(file.numVfs).toBe(4);
    expect(file.functions.map(({ fn, profileName, profile }) => [fn, profileName, profile])).toEqual([
      [1, 'tenant', { mtu: 1400, withoutFeatures: [15, 29] }],
      [3, 'tenant', { mtu: 9000, withoutFeatures: [15, 29] }],
      [4, 'tenant', { mtu: 9000, withoutFeatures: [15, 29] }],
      [17, null, { vlan: 5 }],
      [18, null, { vlan: 5 }],
    ]);
  });

  it('may be empty, and use profiles that are known', () => {
    expect(readProvisionFile('{}', LIMITS)).toMatchObject({ functions: [], numVfs: null });
    const known = new Map([['old', { mtu: 1000 }]]);
    const file = readProvisionFile('{ "functions": [{ "vf": 2, "profile": "old" }] }', LIMITS, known);
    expect(file.functions[0]!.profile).toEqual({ mtu: 1000 });
  });
});

describe('the description of a card', () => {
  it('makes the same card again, whatever was provisioned', () => {
    const profile = fc.record(
      {
        mtu: fc.integer({ min: 68, max: 9000 }),
        queuePairs: fc.integer({ min: 1, max: 8 }),
        vlan: fc.nat(4094),
        rateMbps: fc.nat(1000),
        legacy: fc.boolean(),
        notify: fc.constantFrom('member', 'owner', 'none'),
        withoutFeatures: fc.uniqueArray(fc.constantFrom(0, 3, 15, 29, 40, 63), { maxLength: 3 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.array(profile, { maxLength: 3 }),
        fc.array(profile, { minLength: 6, maxLength: 6 }),
        fc.nat(4),
        (named, own, numVfs) => {
          const profiles = Object.fromEntries(named.map((each, i) => [`p${i}`, each]));
          const functions = own.map((each, i) => ({
            ...(i < 4 ? { vf: i + 1 } : { onDemand: i - 3 }),
            ...(i < named.length ? { profile: `p${i}` } : {}),
            ...each,
          }));
          const card = new ProvisionedCard({ totalVfs: 4, onDemandFunctions: 2, mtu: 1400 });
          card.apply(readProvisionFile(JSON.stringify({ profiles, functions, numVfs }), card.machine.nic.config));

          const again = ProvisionedCard.parse(card.text());

          for (let fn = 0; fn < 7; fn++) {
            expect(again.machine.nic.provisioned(fn)).toEqual(card.machine.nic.provisioned(fn));
            expect(again.machine.nic.isPresent(fn)).toBe(card.machine.nic.isPresent(fn));
          }
          expect(again.text()).toBe(card.text());
        },
      ),
      { numRuns: 20 },
    );
  });

  it('is refused with every mistake, also those of its options', () => {
    const text = JSON.stringify({
      schema: 'virtfn.card/0',
      card: { totalVfs: 4, mtu: 10, queueSize: 3, colour: 1, legacy: 'no' },
      functions: [{ vf: 5 }],
    });

    let found: readonly Problem[] = [];
    try {
      ProvisionedCard.parse(text);
    } catch (error) {
      if (error instanceof FileProblems) found = error.problems;
    }

    expect(found.map(({ path }) => path).sort()).toEqual([
      '/card/colour',
      '/card/legacy',
      '/card/mtu',
      '/card/queueSize',
      '/functions/0/vf',
      '/schema',
    ]);
  });

  it('is refused where null stands for an option: what is not said is left out', () => {
    const text = '{"schema":"virtfn.card/1","card":{"totalVfs":null,"mtu":null}}';

    expect(() => ProvisionedCard.parse(text)).toThrow(
      '/card/totalVfs: null: a whole number from 1 to 1024 is needed; /card/mtu: null: a whole number from 68 to 9000',
    );
  });

  it('is read by its name of before, and gets that of now', () => {
    const old = JSON.stringify({ schema: 'virtfn/card/1', card: { totalVfs: 4 }, functions: [], numVfs: 3 });

    const card = ProvisionedCard.parse(old);

    expect(card.target.numVfs()).toBe(3);
    expect(JSON.parse(card.text())).toMatchObject({ schema: 'virtfn.card/1', card: { totalVfs: 4 }, numVfs: 3 });
  });

  it('is healthy; what is not as provisioned is found', () => {
    const card = ProvisionedCard.parse(
      JSON.stringify({
        schema: 'virtfn.card/1',
        card: { totalVfs: 4 },
        functions: [
          { vf: 1, mtu: 1400 },
          { vf: 2, legacy: false },
          { vf: 3, notify: 'owner' },
        ],
        numVfs: 3,
      }),
    );
    const bad = (): string[] => checkHealth(card).flatMap(({ name, isGood }) => (isGood ? [] : [name]));
    const { nic } = card.machine;
    expect(bad()).toEqual([]);

    nic.configWrite(0, 0x148, 2, 0); // behind the back of the PF's driver

    expect(bad()).toEqual(['vfs']);
  });

  it('holds what createNic makes of the same options', () => {
    const card = new ProvisionedCard({ totalVfs: 3, vfVectors: 6, vfVectorPool: 9 });

    expect(ProvisionedCard.parse(card.text()).machine.nic.provisioned(2)).toEqual(
      createNic({ totalVfs: 3, vfVectors: 6, vfVectorPool: 9 }).provisioned(2),
    );
  });
});
