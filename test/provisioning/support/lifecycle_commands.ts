// SPDX-License-Identifier: Apache-2.0
// The operations of the lifecycles as commands for random sequences. Each asks the reference and the real thing, and
// compares what came of it.
import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { VfDriver } from '../../../src/provisioning/sriov_vf.ts';
import type { Pending } from '../../../src/provisioning/tasks.ts';
import type { VfioError } from '../../../src/util/errors.ts';
import { errnoOf } from './lifecycle_bench.ts';
import type { Answer, LifecycleReference, RefCall } from './lifecycle_reference.ts';
import type { LifecycleWorld } from './lifecycle_world.ts';

export const VFS = 3;

type Command = fc.Command<LifecycleReference, LifecycleWorld>;

/** One operation with its arguments written out. */
class Operation implements Command {
  private readonly text: string;
  private readonly act: (model: LifecycleReference, real: LifecycleWorld) => [expected: Answer, actual: Answer];

  constructor(text: string, act: Operation['act']) {
    this.text = text;
    this.act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: LifecycleReference, real: LifecycleWorld): void {
    const [expected, actual] = this.act(model, real);
    real.operations++;
    assert.equal(actual, expected);
    compare(model, real);
  }

  toString(): string {
    return this.text;
  }
}

function codeOf(error: unknown): string {
  return error === undefined ? '' : (error as VfioError).code;
}

/** Operations in a row, each compared: what random choice would seldom hit upon. */
class Series implements Command {
  private readonly operations: readonly Command[];

  constructor(...operations: readonly Command[]) {
    this.operations = operations;
  }

  check(): boolean {
    return true;
  }

  run(model: LifecycleReference, real: LifecycleWorld): void {
    for (const operation of this.operations) void operation.run(model, real);
  }

  toString(): string {
    return this.operations.join(', ');
  }
}

/** The states of both, as far as they can be seen from outside. */
function compare(model: LifecycleReference, { host, calls }: LifecycleWorld): void {
  assert.deepEqual(
    {
      numVfs: host.machine.pf.sriov!.numVfs,
      calls: calls.map((call) => (call.isDone ? codeOf(call.error) : 'sleeps')),
      vfs: host.vfs.map(({ number, driver, node, driverOverride }) => ({
        exists: host.machine.nic.isPresent(number),
        driver: driver ?? '',
        override: driverOverride ?? '',
        files: node?.openFiles ?? 0,
        hasUser: (node?.user ?? null) !== null,
      })),
    },
    {
      numVfs: model.numVfs,
      calls: model.slept.map(({ answer }) => answer),
      vfs: model.vfs.map(({ exists, driver, override, files, user }, i) => ({
        // the kernel forgets a VF before the card does: VF Enable is cleared when the last one is gone
        exists: i < model.numVfs || exists,
        driver,
        override,
        files: files.length,
        hasUser: user !== null,
      })),
    },
  );
}

function sleeping(
  text: string,
  model: (m: LifecycleReference) => RefCall,
  real: (r: LifecycleWorld) => Pending,
): Command {
  return new Operation(text, (m, r) => {
    const call = model(m);
    return [call.hasSlept ? 'sleeps' : call.answer, r.call(() => real(r))];
  });
}

const vfNumber = fc.integer({ min: 1, max: VFS });
const driver = fc.constantFrom<VfDriver>('virtio-pci', 'vfio-pci', 'virtio_vfio_pci');
const overrides = fc.oneof(
  { weight: 6, arbitrary: fc.constant('virtio_vfio_pci') },
  { weight: 2, arbitrary: fc.constantFrom('', 'vfio-pci', 'nonsense') },
);
const fileIndex = fc.nat({ max: 5 });

/** An operation on a file, by its number modulo those that were ever opened; nothing where none was. */
function onFile(what: 'bind' | 'attach' | 'detach' | 'reset' | 'read' | 'close'): fc.Arbitrary<Command> {
  return fileIndex.map(
    (index) =>
      new Operation(`${what}(file ${index})`, (m, r) => {
        if (m.files.length === 0) return ['', ''];
        const model = m.files[index % m.files.length]!;
        const file = r.files[index % r.files.length]!;
        const expected = what === 'close' ? m.close(model) : what === 'bind' ? m.bindFile(model) : m.use(model, what);
        const acts = {
          bind: () => file.bind(r.context),
          attach: () => file.attach({ id: r.ioas }),
          detach: () => file.attach(null),
          reset: () => file.reset(),
          read: () => file.read(7, 0, 4),
          close: () => file.close(),
        };
        return [expected, errnoOf(acts[what])];
      }),
  );
}

const setNumVfs = (n: number) =>
  sleeping(
    `numvfs ${n}`,
    (m) => m.setNumVfs(n),
    ({ host }) => host.setNumVfs(n),
  );
const override = (n: number, name: string) =>
  sleeping(
    `override(${n}, '${name}')`,
    (m) => m.override(m.vfs[n - 1]!, name),
    ({ host }) => host.vf(n).setOverride(name),
  );
const probe = (n: number) =>
  new Operation(`probe(${n})`, (m, { host }) => [m.probe(m.vfs[n - 1]!), errnoOf(() => host.vf(n).probe())]);
const open = (n: number) =>
  new Operation(`open(${n})`, (m, r) => [m.open(m.vfs[n - 1]!), errnoOf(() => r.files.push(r.host.vf(n).open()))]);
const bindLastFile = new Operation('bind(last file)', (m, r) => {
  const model = m.files.at(-1);
  return model === undefined ? ['', ''] : [m.bindFile(model), errnoOf(() => r.files.at(-1)!.bind(r.context))];
});

/** A VF under a vfio driver; the same with an open file; the same with a user. */
function inUse(n: number, depth: number): Command {
  return new Series(
    ...[setNumVfs(VFS), override(n, 'virtio_vfio_pci'), probe(n), open(n), bindLastFile].slice(0, depth),
  );
}

/** Every operation there is. */
export function allCommands(): fc.Arbitrary<Command>[] {
  const numVfs = fc.oneof(fc.integer({ min: 0, max: VFS }), fc.constantFrom(0, VFS, VFS + 1));
  return [
    fc.tuple(vfNumber, fc.integer({ min: 3, max: 5 })).map(([n, depth]) => inUse(n, depth)),
    fc.tuple(vfNumber, fc.constant(5)).map(([n, depth]) => inUse(n, depth)),
    numVfs.map(setNumVfs),
    fc.constant(
      sleeping(
        'bind PF',
        (m) => m.bindPf(),
        ({ host }) => host.bindPf(),
      ),
    ),
    fc.constant(
      sleeping(
        'unbind PF',
        (m) => m.unbindPf(),
        ({ host }) => host.unbindPf(),
      ),
    ),
    fc.constant(
      sleeping(
        'reset PF',
        (m) => m.resetPf(),
        ({ host }) => host.resetPf(),
      ),
    ),
    fc.boolean().map(
      (isOn) =>
        new Operation(`autoprobe ${isOn}`, (m, { host }) => {
          m.autoprobe = isOn;
          host.autoprobe = isOn;
          return ['', ''];
        }),
    ),
    fc.tuple(vfNumber, overrides).map(([n, name]) => override(n, name)),
    vfNumber.map(probe),
    fc.tuple(vfNumber, driver).map(([n, name]) =>
      sleeping(
        `bind(${n}, ${name})`,
        (m) => m.bind(m.vfs[n - 1]!, name),
        ({ host }) => host.vf(n).bind(name),
      ),
    ),
    fc.tuple(vfNumber, driver).map(([n, name]) =>
      sleeping(
        `unbind(${n}, ${name})`,
        (m) => m.unbind(m.vfs[n - 1]!, name),
        ({ host }) => host.vf(n).unbind(name),
      ),
    ),
    vfNumber.map((n) =>
      sleeping(
        `reset(${n})`,
        (m) => m.reset(m.vfs[n - 1]!),
        ({ host }) => host.vf(n).reset(),
      ),
    ),
    vfNumber.map(open),
    onFile('bind'),
    onFile('attach'),
    onFile('detach'),
    onFile('reset'),
    onFile('read'),
    onFile('close'),
    onFile('close'),
  ];
}
