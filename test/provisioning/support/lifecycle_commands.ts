// SPDX-License-Identifier: Apache-2.0
// The operations of the lifecycles as commands for random sequences. Each asks the reference and the real thing, and
// compares what came of it.
import assert from 'node:assert/strict';

import fc from 'fast-check';

import type { MdevDevice } from '../../../src/provisioning/mdev_device.ts';
import type { FunctionKind, OnDemandFunction } from '../../../src/provisioning/on_demand_function.ts';
import type { VfDriver } from '../../../src/provisioning/sriov_vf.ts';
import type { Pending } from '../../../src/provisioning/tasks.ts';
import type { VfioError } from '../../../src/util/errors.ts';
import { errnoOf } from './lifecycle_bench.ts';
import type { FunctionReference, ReferenceSizes, RefFunction, RefSoft } from './function_reference.ts';
import type { Answer, RefCall } from './lifecycle_reference.ts';
import type { LifecycleWorld } from './lifecycle_world.ts';

/** Little enough of everything that it runs short. */
export const SIZES: ReferenceSizes = { vfs: 3, onDemand: 2, pasids: 1 };
const VFS = SIZES.vfs;
const GUIDS = [
  '11111111-0000-4000-8000-000000000001',
  '11111111-0000-4000-8000-000000000002',
  '11111111-0000-4000-8000-000000000003',
];
const TYPE = 'virtfn-net-1';

type Command = fc.Command<FunctionReference, LifecycleWorld>;

/** One operation with its arguments written out. */
class Operation implements Command {
  private readonly text: string;
  private readonly act: (model: FunctionReference, real: LifecycleWorld) => [expected: Answer, actual: Answer];

  constructor(text: string, act: Operation['act']) {
    this.text = text;
    this.act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: FunctionReference, real: LifecycleWorld): void {
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

  run(model: FunctionReference, real: LifecycleWorld): void {
    for (const operation of this.operations) void operation.run(model, real);
  }

  toString(): string {
    return this.operations.join(', ');
  }
}

/** The states of both, as far as they can be seen from outside. */
function compare(model: FunctionReference, { host, functions, calls, made }: LifecycleWorld): void {
  assert.deepEqual(
    {
      numVfs: host.machine.pf.sriov!.numVfs,
      cardFunctions: host.functions.inUse,
      pasids: functions.pasids.inUse,
      mdevs: functions.mdevs.all().length,
      functions: made.map(({ lifecycle }) => lifecycle.state),
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
      cardFunctions: model.cardFunctions,
      pasids: model.pasids,
      mdevs: model.mdevs.length,
      functions: model.functions.map(({ state }) => state),
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
  model: (m: FunctionReference) => RefCall,
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

/** An operation on a file, counted from the last that was opened; nothing where none was. */
function onFile(what: 'bind' | 'attach' | 'detach' | 'reset' | 'read' | 'send' | 'close'): fc.Arbitrary<Command> {
  return fileIndex.map(
    (index) =>
      new Operation(`${what}(file ${index})`, (m, r) => {
        if (m.files.length === 0) return ['', ''];
        const at = m.files.length - 1 - (index % m.files.length);
        const model = m.files[at]!;
        const file = r.files[at]!;
        const expected = what === 'close' ? m.close(model) : what === 'bind' ? m.bindFile(model) : m.use(model, what);
        const acts = {
          bind: () => file.bind(r.context),
          attach: () => file.attach({ id: r.ioas }),
          detach: () => file.attach(null),
          reset: () => file.reset(),
          read: () => file.read(7, 0, 4),
          close: () => file.close(),
        } as const;
        return [expected, what === 'send' ? r.send(file) : errnoOf(acts[what])];
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

/** An operation on the mediated device of a GUID; ENOENT where there is none. */
function onMdev(
  text: string,
  guid: string,
  model: (m: FunctionReference, mdev: RefSoft) => RefCall | Answer,
  real: (mdev: MdevDevice, r: LifecycleWorld) => unknown,
): Command {
  return new Operation(`${text}(${guid})`, (m, r) => {
    const known = m.find(guid);
    const expected = known === undefined ? 'ENOENT' : model(m, known);
    const find = (): MdevDevice => r.functions.mdevs.device(guid);
    if (typeof expected === 'string') return [expected, errnoOf(() => real(find(), r))];
    return [expected.hasSlept ? 'sleeps' : expected.answer, r.call(() => real(find(), r) as Pending)];
  });
}

const createMdev = (guid: string) =>
  new Operation(`create(${guid})`, (m, { functions }) => [
    m.create(guid),
    errnoOf(() => functions.mdevs.create(TYPE, guid)),
  ]);
const openMdev = (guid: string) =>
  onMdev(
    'open',
    guid,
    (m, mdev) => m.open(mdev),
    (mdev, r) => r.files.push(mdev.open()),
  );

/** An operation on a function of the on-demand interface, by its number modulo those that were ever created. */
function onFunction(
  text: string,
  index: number,
  model: (m: FunctionReference, f: RefFunction) => RefCall | Answer,
  real: (f: OnDemandFunction, r: LifecycleWorld) => unknown,
): Command {
  return new Operation(`${text}(function ${index})`, (m, r) => {
    if (m.functions.length === 0) return ['', ''];
    const at = index < 0 ? m.functions.length - 1 : index % m.functions.length;
    const expected = model(m, m.functions[at]!);
    const act = (): unknown => real(r.made[at]!, r);
    if (typeof expected === 'string') return [expected, errnoOf(act)];
    return [expected.hasSlept ? 'sleeps' : expected.answer, r.call(() => act() as Pending)];
  });
}

const createFunction = (kind: FunctionKind) =>
  new Operation(`create(${kind})`, (m, r) => [
    m.createFunction(kind),
    errnoOf(() => r.made.push(r.functions.create(kind))),
  ]);
const enable = (index: number) =>
  onFunction(
    'enable',
    index,
    (m, f) => m.enable(f),
    (f) => f.enable(),
  );
const openFunction = (index: number) =>
  onFunction(
    'open',
    index,
    (m, f) => m.openFunction(f),
    (f, r) => r.files.push(f.open()),
  );
const attachLastFile = new Operation('attach(last file)', (m, r) => {
  const model = m.files.at(-1);
  return model === undefined
    ? ['', '']
    : [m.use(model, 'attach'), errnoOf(() => r.files.at(-1)!.attach({ id: r.ioas }))];
});

function functionCommands(): fc.Arbitrary<Command>[] {
  const guid = fc.constantFrom(...GUIDS);
  const kind = fc.constantFrom<FunctionKind>('sriov', 'mdev', 'siov');
  const index = fc.nat({ max: 4 });
  let mtu = 0;
  return [
    fc.oneof({ weight: 8, arbitrary: guid }, { weight: 1, arbitrary: fc.constant('no guid') }).map(createMdev),
    guid.map((id) =>
      onMdev(
        'remove',
        id,
        (m, mdev) => m.remove(mdev),
        (mdev) => mdev.remove(),
      ),
    ),
    guid.map((id) =>
      onMdev(
        'bind',
        id,
        (m, mdev) => m.bindSoft(mdev),
        (mdev) => mdev.bind(),
      ),
    ),
    guid.map((id) =>
      onMdev(
        'unbind',
        id,
        (m, mdev) => m.unbindSoft(mdev),
        (mdev) => mdev.unbind(),
      ),
    ),
    guid.map((id) => new Series(createMdev(id), openMdev(id), bindLastFile, attachLastFile)),
    kind.map(createFunction),
    index.map((i) =>
      onFunction(
        'configure',
        i,
        (m, f) => m.configure(f),
        (f) => f.configure({ mtu: 1000 + (mtu++ % 7000) }),
      ),
    ),
    index.map(enable),
    index.map(openFunction),
    index.map((i) =>
      onFunction(
        'destroy',
        i,
        (m, f) => m.destroy(f),
        (f) => f.destroy(),
      ),
    ),
    kind.map((k) => new Series(createFunction(k), enable(-1), openFunction(-1), bindLastFile, attachLastFile)),
  ];
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
    onFile('send'),
    onFile('close'),
    onFile('close'),
    ...functionCommands(),
  ];
}
