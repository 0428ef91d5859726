// SPDX-License-Identifier: Apache-2.0
// The lifecycles as one table: machine, state, operation, and what comes of it. The code steps by these rules, and the
// diagrams and tables of docs/lifecycles.md are drawn from them. What Linux 7.3 answers is what stands here.
//
// An operation is what was asked for with what decides its fate behind a colon: `numvfs:0`, `bind:no-match`.
import { NicError, type ErrnoName } from '../util/errors.ts';

/** A kind of thing that has states: the PF, a VF, a mediated device, a function behind the on-demand interface. */
export type MachineName = 'pf' | 'vf' | 'mdev' | 'function';

/** One row of the table. */
export interface Rule {
  readonly machine: MachineName;
  readonly from: readonly string[];
  readonly on: readonly string[];
  /** State afterwards; the one before where it is left out. */
  readonly to?: string;
  /** The operation fails with it. */
  readonly errno?: ErrnoName;
  /** The caller sleeps until the state is another one, and asks again then. */
  readonly waits?: boolean;
  readonly why: string;
}

/** States with an open file, by the far end of it: not bound to an iommufd, bound, attached to an address space. */
const OPEN_STATES = ['opened', 'bound', 'attached'] as const;
/** The same while somebody waits for the files to be closed. */
const LEAVING_STATES = ['opened-leaving', 'bound-leaving', 'attached-leaving'] as const;

const WITH_FILE = [...OPEN_STATES, ...LEAVING_STATES];

/** What becomes of a device that is in use. */
const RELEASE = 'release is requested; done when the last file is closed';

type Outcome = Pick<Rule, 'to' | 'errno' | 'waits'>;
const SAME: Outcome = {};
const WAITS: Outcome = { waits: true };

function rows(
  machine: MachineName,
  ...list: [from: readonly string[], on: string, outcome: Outcome, why: string][]
): Rule[] {
  return list.map(([from, on, outcome, why]) => ({ machine, from, on: on.split(' '), ...outcome, why }));
}

const PF_STATES = ['unbound', 'ready', 'no-sriov', 'enabled', 'dead', 'dead-enabled', 'draining'];
const PF_SETTLED = PF_STATES.filter((state) => state !== 'draining');
const PF_BOUND = PF_SETTLED.filter((state) => state !== 'unbound');

const PF_RULES = rows(
  'pf',
  [PF_STATES, 'numvfs:no-number', { errno: 'EINVAL' }, 'not a number of 16 bits'],
  [PF_STATES, 'numvfs:too-many', { errno: 'ERANGE' }, 'more than TotalVFs; asked before anything else'],
  [PF_SETTLED, 'numvfs:same', SAME, 'as many as there are'],
  [['unbound'], 'numvfs:n', { errno: 'ENOENT' }, 'no driver, so nobody to configure SR-IOV'],
  [['ready'], 'numvfs:n', { to: 'enabled' }, 'NumVFs and VF Enable written, 100 ms, then the VFs appear'],
  [['no-sriov'], 'numvfs:n', { errno: 'EINVAL' }, 'VIRTIO_F_SR_IOV is not negotiated'],
  [['enabled', 'dead-enabled'], 'numvfs:n', { errno: 'EBUSY' }, 'another number of VFs exists; go to 0 first'],
  [['dead'], 'numvfs:n', { errno: 'EBUSY' }, 'device status has no DRIVER_OK'],
  [['enabled'], 'numvfs:0', { to: 'draining' }, 'the VFs go one by one, each when its last file is closed'],
  [['dead-enabled'], 'numvfs:0', { errno: 'EBUSY' }, 'device status has no DRIVER_OK'],
  [['unbound'], 'bind', { to: 'ready' }, 'virtio-pci and virtio-net bring the PF up'],
  [['unbound'], 'bind:without-sriov', { to: 'no-sriov' }, 'the same without VIRTIO_F_SR_IOV'],
  [PF_BOUND, 'bind', { errno: 'EBUSY' }, 'a driver is bound'],
  [['unbound'], 'unbind', { errno: 'ENODEV' }, 'the driver is not bound to the PF'],
  [PF_BOUND, 'unbind', { to: 'draining' }, 'VFs go first, as by numvfs 0, then all that hangs on the driver'],
  [['unbound'], 'reset', SAME, 'FLR'],
  [['ready', 'no-sriov', 'dead'], 'reset', { to: 'dead' }, 'FLR; virtio-net does not bring the device up again'],
  [['enabled', 'dead-enabled'], 'reset', { to: 'dead-enabled' }, 'the same; the PCI core writes SR-IOV again'],
  [['draining'], 'numvfs:same numvfs:n numvfs:0 bind unbind reset', WAITS, 'the device lock is held'],
  [['draining'], 'drained:bound', { to: 'ready' }, 'VF Enable cleared, 1 s, NumVFs 0'],
  [['draining'], 'drained:unbound', { to: 'unbound' }, 'the same, and the driver resets the PF'],
);

/** A vfio device with its node, from the moment a driver registers it: the same for a VF and for a mediated device. */
function nodeRules(machine: MachineName): Rule[] {
  return rows(
    machine,
    [['registered'], 'open', { to: 'opened' }, 'a file without access to the device'],
    [[...OPEN_STATES], 'open', SAME, 'one more file'],
    [['opened'], 'bind-iommufd', { to: 'bound' }, 'VFIO_DEVICE_BIND_IOMMUFD opens the device: FLR'],
    [['opened-leaving'], 'bind-iommufd', { to: 'bound-leaving' }, 'an open file stays as good as it was'],
    [
      ['bound', 'attached', 'bound-leaving', 'attached-leaving'],
      'bind-iommufd',
      { errno: 'EINVAL' },
      'the device has its user',
    ],
    [WITH_FILE, 'ioctl:other', { errno: 'EINVAL' }, 'attach, detach, reset or access by a file that is not bound'],
    [['bound', 'attached'], 'attach', { to: 'attached' }, 'VFIO_DEVICE_ATTACH_IOMMUFD_PT, or replacement'],
    [['bound-leaving', 'attached-leaving'], 'attach', { to: 'attached-leaving' }, 'as ever'],
    [
      ['bound', 'attached', 'bound-leaving', 'attached-leaving'],
      'attach:pasid',
      { errno: 'EOPNOTSUPP' },
      'the driver attaches no PASIDs',
    ],
    [['bound', 'attached'], 'detach', { to: 'bound' }, 'DMA faults from now on; no error where nothing is attached'],
    [['bound-leaving', 'attached-leaving'], 'detach', { to: 'bound-leaving' }, 'as ever'],
    [['bound', 'attached', 'bound-leaving', 'attached-leaving'], 'device-reset', SAME, 'VFIO_DEVICE_RESET: FLR'],
    [WITH_FILE, 'close:other', SAME, 'others remain, the user among them if there is one'],
    [['bound', 'attached'], 'close:user', { to: 'opened' }, 'the device is closed: FLR, detached; others remain'],
    [['bound-leaving', 'attached-leaving'], 'close:user', { to: 'opened-leaving' }, 'the same, and they hold it up'],
    [[...OPEN_STATES], 'close:last', { to: 'registered' }, 'the device is closed if it had a user'],
    [[...LEAVING_STATES], 'close:last', { to: 'closing' }, 'who waited goes on'],
  );
}

const VF_EXISTING = ['unbound', 'virtio', 'registered', ...WITH_FILE, 'closing'];
const VF_STATES = ['absent', ...VF_EXISTING];
const VF_CLOSED = ['virtio', 'registered'];

const VF_RULES = [
  ...rows(
    'vf',
    [['absent'], 'appear', { to: 'unbound' }, 'VF Enable; what it is was decided before'],
    [['absent'], 'override', { errno: 'ENOENT' }, 'no such directory'],
    [['unbound', ...VF_CLOSED, ...OPEN_STATES], 'override', SAME, 'counts at the next probe'],
    [['absent'], 'probe probe:no-match', { errno: 'ENODEV' }, 'no such device'],
    [['unbound'], 'probe', { to: 'probing' }, 'a driver takes the VF'],
    [['unbound'], 'probe:no-match', SAME, 'no driver wants it, which is no error'],
    [[...VF_CLOSED, ...WITH_FILE, 'closing'], 'probe probe:no-match', SAME, 'it has a driver'],
    [VF_STATES, 'bind:no-match', { errno: 'ENODEV' }, 'no such device, or the driver takes it only by driver_override'],
    [['absent'], 'bind', { errno: 'ENODEV' }, 'no such device'],
    [['unbound'], 'bind', { to: 'probing' }, 'this driver or none'],
    [[...VF_CLOSED, ...OPEN_STATES], 'bind', { errno: 'EBUSY' }, 'it has a driver'],
    [['probing'], 'probed:virtio', { to: 'virtio' }, 'virtio-pci drives it in the kernel'],
    [['probing'], 'probed:vfio', { to: 'registered' }, 'vfio-pci, or the variant driver as trans-lm, lm or plain'],
    [['probing'], 'probed:no-notify', { to: 'unbound', errno: 'ENOENT' }, 'no doorbell in a BAR of the VF'],
    [
      ['probing'],
      'probed:silent',
      { to: 'unbound', errno: 'ETIMEDOUT' },
      'a dead PF answers nothing: Linux never returns',
    ],
    [VF_STATES, 'unbind:other', { errno: 'ENODEV' }, 'the driver is not bound to it'],
    [['absent', 'unbound'], 'unbind', SAME, 'the caller has slept, and another has done it'],
    [VF_CLOSED, 'unbind remove', { to: 'closing' }, 'nobody uses it'],
    [['closing'], 'closed:unbind', { to: 'unbound' }, 'the driver has let go'],
    [['closing'], 'closed:remove', { to: 'absent' }, 'the same, and the VF is gone'],
    [['absent'], 'reset', { errno: 'ENOENT' }, 'no such directory'],
    [['unbound', ...VF_CLOSED, ...OPEN_STATES], 'reset', SAME, 'FLR; under virtio-pci it stays dead, vfio notices'],
    [['absent', 'unbound', 'virtio', ...LEAVING_STATES, 'closing'], 'open', { errno: 'ENOENT' }, 'no node'],
    [['unbound'], 'remove', { to: 'absent' }, 'the PF takes its VFs away'],
    [[...LEAVING_STATES, 'closing'], 'override bind unbind reset remove', WAITS, 'the device lock is held'],
  ),
  ...OPEN_STATES.flatMap((state) => rows('vf', [[state], 'unbind remove', { to: `${state}-leaving` }, RELEASE])),
  ...nodeRules('vf'),
];

const MDEV_EXISTING = ['unbound', 'registered', ...WITH_FILE, 'closing'];

const MDEV_RULES = [
  ...rows(
    'mdev',
    [['absent'], 'create:no-guid', { errno: 'EINVAL' }, 'not 36 characters of a GUID'],
    [MDEV_EXISTING, 'create', { errno: 'EEXIST' }, 'a device with this GUID exists'],
    [['absent'], 'create:no-instance', { errno: 'EUSERS' }, 'available_instances is 0'],
    [['absent'], 'create:parent-leaving', { errno: 'ENODEV' }, 'the parent takes its devices away'],
    [['absent'], 'create', { to: 'probing' }, 'the device appears, and the driver of its parent takes it'],
    [['unbound'], 'bind', { to: 'probing' }, 'the driver takes it again'],
    [['probing'], 'probed:vfio', { to: 'registered' }, 'a function of the card was made for it'],
    [
      ['probing'],
      'probed:no-function',
      { to: 'unbound', errno: 'ENOSPC' },
      'the card has none left; create undoes itself',
    ],
    [
      ['probing'],
      'probed:no-notify',
      { to: 'unbound', errno: 'ENOENT' },
      'transitional, without a doorbell of its own',
    ],
    [['probing'], 'probed:silent', { to: 'unbound', errno: 'ETIMEDOUT' }, 'transitional, and the PF is dead'],
    [['probing'], 'probed:no-pasid', { to: 'unbound', errno: 'ENOSPC' }, 'no PASID left; create undoes itself'],
    [['absent'], 'bind', { errno: 'ENODEV' }, 'no such device'],
    [['registered', ...OPEN_STATES], 'bind', { errno: 'EBUSY' }, 'it has its driver'],
    [['absent', 'unbound'], 'unbind:other', { errno: 'ENODEV' }, 'the driver is not bound to it'],
    [['absent', 'unbound'], 'unbind', SAME, 'the caller has slept, and another has done it'],
    [['registered'], 'unbind remove', { to: 'closing' }, 'nobody uses it'],
    [['closing'], 'closed:unbind', { to: 'unbound' }, 'the function of the card is given back'],
    [['closing'], 'closed:remove', { to: 'absent' }, 'the same, and the device is gone'],
    [['unbound'], 'remove', { to: 'absent' }, 'the device is gone'],
    [['absent'], 'remove', { errno: 'ENOENT' }, 'no such directory'],
    [['absent', 'unbound', ...LEAVING_STATES, 'closing'], 'open', { errno: 'ENOENT' }, 'no node'],
    [[...LEAVING_STATES, 'closing'], 'bind unbind remove', WAITS, 'the device lock is held'],
  ),
  ...OPEN_STATES.flatMap((state) => rows('mdev', [[state], 'unbind remove', { to: `${state}-leaving` }, RELEASE])),
  ...nodeRules('mdev'),
];

const FUNCTION_RULES = rows(
  'function',
  [['created', 'configured'], 'configure', { to: 'configured' }, 'the profile, as often as one likes'],
  [['created', 'configured'], 'enable', { to: 'enabled' }, 'the device and its node; what fails undoes itself'],
  [['enabled', 'leaving'], 'configure enable', { errno: 'EBUSY' }, 'the function is there'],
  [['enabled'], 'open', SAME, 'its node'],
  [['created', 'configured', 'leaving'], 'open', { errno: 'ENOENT' }, 'no node'],
  [['enabled'], 'lost', { to: 'configured' }, 'its device went with the driver of the PF'],
  [['created', 'configured', 'enabled'], 'destroy', { to: 'leaving' }, 'release is requested while it is in use'],
  [['leaving'], 'destroy', WAITS, 'somebody else does it'],
  [['leaving'], 'destroyed', { to: 'gone' }, 'number, PASID, vectors are free'],
  [['gone'], 'configure enable open destroy', { errno: 'ENODEV' }, 'it was destroyed'],
);

/** The table. */
export const LIFECYCLE_RULES: readonly Rule[] = [...PF_RULES, ...VF_RULES, ...MDEV_RULES, ...FUNCTION_RULES];

const BY_KEY = new Map<string, Rule>();
for (const rule of LIFECYCLE_RULES)
  for (const from of rule.from) for (const on of rule.on) BY_KEY.set(`${rule.machine} ${from} ${on}`, rule);

/** The rule for an operation; undefined where it cannot be asked. */
export function findRule(machine: MachineName, state: string, on: string): Rule | undefined {
  return BY_KEY.get(`${machine} ${state} ${on}`);
}

/** The same; throws NicError LIFECYCLE, a bug of the model, where the table has none. */
export function ruleFor(machine: MachineName, state: string, on: string): Rule {
  const rule = findRule(machine, state, on);
  if (rule === undefined) throw new NicError('LIFECYCLE', `the table has no rule for ${machine} in ${state}: ${on}`);
  return rule;
}
