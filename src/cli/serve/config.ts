// SPDX-License-Identifier: Apache-2.0
// What `virtfn serve` is asked to do: a JSON file and the options of the command line, which go first. Both have the
// same names; all problems are named at once, each with the place where it is.
import { join } from 'node:path';

import { ConfigError, resolveConfig, type NicConfig } from '../../device/config.ts';
import { resolveProfile } from '../../device/profile.ts';
import { resolveMachine } from '../../machine/machine_config.ts';
import { UML_ROUTING, UML_VFS_MAX } from '../../uml/uml_server.ts';
import { NicError, UsageError } from '../../util/errors.ts';
import { unknownName, valueText } from '../../util/names.ts';

/** What the wire leads to. */
export type WireChoice =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'tap'; readonly name: string }
  | { readonly kind: 'pcap'; readonly path: string; readonly play: string | null }
  | { readonly kind: 'peer'; readonly path: string }
  | { readonly kind: 'dgram'; readonly local: string; readonly remote: string };

/**
 * How a function is shown. 'legacy': transitional, without the capabilities of the modern interface; 'uml': as 'raw', to
 * User Mode Linux.
 */
export type FunctionKind = 'pf' | 'modern' | 'transitional' | 'legacy' | 'raw' | 'uml';

export interface PlannedFunction {
  /** 'pf', 'vf1', ... */
  readonly name: string;
  readonly fn: number;
  readonly kind: FunctionKind;
  /** Path of its socket. */
  readonly path: string;
}

export interface ServeConfig {
  readonly card: NicConfig & { readonly mode: 'functional' | 'timed'; readonly totalVfs: number };
  readonly functions: readonly PlannedFunction[];
  /** The PF's driver runs in this process: no client gets the PF. */
  readonly hasPfDriver: boolean;
  /** The client is a User Mode Linux kernel. */
  readonly isUml: boolean;
  /** The clock that this kernel shares with the card; null: each has its own. */
  readonly timeTravel: { readonly path: string; readonly guestNs: number } | null;
  /** Null: frames that leave are counted. */
  readonly wire: WireChoice | null;
}

/** Settings by name, as they are written in a file; those of the command line have the same form. */
export type Settings = Readonly<Record<string, unknown>>;

export const WIRE_FORMS = 'none, loopback, tap:NAME, pcap:FILE, pcap:FILE,PLAY, peer:SOCKET or dgram:LOCAL,REMOTE';

/** What a setting has to be. */
interface Check {
  readonly isGood: (value: unknown) => boolean;
  readonly needed: string;
  /** The same of the option, where that is written otherwise. */
  readonly neededOfOption?: string;
}

const whole: Check = { isGood: Number.isInteger, needed: 'a whole number is needed' };
const text = (needed: string): Check => ({ isGood: (value) => typeof value === 'string' && value !== '', needed });
const path = text('a path is needed');
const flag: Check = { isGood: (value) => typeof value === 'boolean', needed: 'true or false is needed' };
const oneOf = (...choices: string[]): Check => ({
  isGood: (value) => choices.includes(value as string),
  needed: `${choices.join(' or ')} is needed`,
});
const record = (needed: string): Check => ({ isGood: isRecord, needed });
/** Settings that put VFs behind the variant driver. */
export const VARIANTS = ['transitional', 'legacyOnly'] as const;
const VF_NAME = /^vf[1-9]\d*$/;
const FUNCTION_NAME = /^(?:pf|vf[1-9]\d*)$/;

const allOrVfs: Check = {
  isGood: (value) => typeof value === 'boolean' || isArrayOf(value, (name) => VF_NAME.test(String(name))),
  needed: 'true, false or an array of names (vf1, vf2, ...) is needed',
  neededOfOption: 'names as vf1,vf3 are needed, or none for all VFs',
};

const CHECKS: Readonly<Record<string, Check>> = {
  vfs: whole,
  mode: oneOf('functional', 'timed'),
  queuePairs: whole,
  queueSize: whole,
  mac: text('an address is needed'),
  mtu: whole,
  receiveHoldBytes: whole,
  packed: flag,
  withoutFeatures: {
    isGood: (value) => isArrayOf(value, Number.isInteger),
    needed: 'an array of whole numbers is needed',
  },
  firstVfOffset: whole,
  vfStride: whole,
  profile: record('an object of parameters is needed'),
  wire: {
    isGood: (value) => typeof value === 'string' && readWire(value) !== undefined,
    needed: `${WIRE_FORMS} is needed`,
  },
  socketDir: path,
  sockets: record('an object of paths by function is needed'),
  pf: flag,
  raw: flag,
  uml: flag,
  timeTravel: flag,
  guestNs: whole,
  transitional: allOrVfs,
  legacyOnly: allOrVfs,
};

/** Options that are called otherwise than the setting that they give. */
export const OPTION_OF: Readonly<Record<string, string>> = {
  queuePairs: 'pairs',
  sockets: 'socket',
  withoutFeatures: 'withoutFeature',
  profile: 'set',
};

/** `--wire` in words; null for `none`. Undefined where it is no wire. */
export function readWire(words: string): WireChoice | null | undefined {
  if (words === 'none') return null;
  if (words === 'loopback') return { kind: 'loopback' };
  const [, kind, first, second] = /^(tap|pcap|peer|dgram):([^,]+)(?:,([^,]+))?$/.exec(words) ?? [];
  if (kind === undefined || first === undefined) return undefined;
  if (kind === 'pcap') return { kind, path: first, play: second ?? null };
  if (kind === 'dgram') return second === undefined ? undefined : { kind, local: first, remote: second };
  if (second !== undefined) return undefined;
  return kind === 'tap' ? { kind, name: first } : { kind: 'peer', path: first };
}

/** Checks settings and fills in defaults. `file` names the configuration file, null without one. Throws UsageError. */
export function resolveServeConfig(options: Settings, file: string | null, fileSettings: Settings): ServeConfig {
  const problems: string[] = [];
  const isOption = (name: string): boolean => Object.hasOwn(options, name) || file === null;
  /** A setting as it was given: an option, or a member of the file. */
  const term = (name: string): string => (isOption(name) ? `--${kebab(OPTION_OF[name] ?? name)}` : name);
  const place = (name: string): string => (isOption(name) ? term(name) : `${file}: ${name}`);
  const settings: Record<string, unknown> = { ...fileSettings, ...options };
  for (const [name, value] of Object.entries(settings)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name]! : null;
    if (check?.isGood(value)) continue;
    const needed = (isOption(name) ? check?.neededOfOption : undefined) ?? check?.needed;
    const given = isOption(name) && Array.isArray(value) ? value.join(',') : valueText(value);
    const problem = needed === undefined ? unknownName('setting', name, Object.keys(CHECKS)) : `${given}: ${needed}`;
    problems.push(`${place(name)}: ${problem}`);
    delete settings[name]; // the rest is checked with the default
  }
  const vfs = (settings['vfs'] as number | undefined) ?? 1;
  const isRaw = settings['raw'] === true;
  const isPf = settings['pf'] === true;
  const isUml = settings['uml'] === true;
  const variants = VARIANTS.filter((name) => (settings[name] ?? false) !== false);
  const [variant] = variants;
  if (isRaw && (isPf || variant !== undefined)) {
    problems.push(`${place('raw')}: the hardware's own view is of all functions; leave ${term(variant ?? 'pf')} out`);
  }
  if (isPf && variant !== undefined) {
    problems.push(
      `${place('pf')}: transitional VFs need the PF's driver here; serve the PF, or leave ${term(variant)} out`,
    );
  }
  if (isUml) checkUml(settings, vfs, place, term, problems);
  const hasOneClock = settings['timeTravel'] === true;
  if (settings['guestNs'] !== undefined && !hasOneClock) {
    problems.push(`${place('guestNs')}: only a kernel that shares the card's clock has one; add ${term('timeTravel')}`);
  }
  if (hasOneClock) checkOneClock(settings, isUml, place, term, problems);
  const names = Array.from({ length: Math.min(Math.max(vfs, 0), 1024) }, (_, i) => `vf${i + 1}`);
  if (isRaw || isPf || isUml) names.unshift('pf');
  for (const setting of variants) {
    const chosen = settings[setting];
    for (const name of Array.isArray(chosen) ? chosen : []) {
      if (!names.includes(name)) problems.push(`${place(setting)}: ${name} does not exist; ${term('vfs')} is ${vfs}`);
    }
  }
  const sockets = (settings['sockets'] ?? {}) as Readonly<Record<string, unknown>>;
  for (const [name, socket] of Object.entries(sockets)) {
    const where = Object.hasOwn(options, 'sockets') ? `--socket ${name}` : `${file}: sockets.${name}`;
    if (!FUNCTION_NAME.test(name) || !names.includes(name)) problems.push(`${where}: that function is not served`);
    else if (!path.isGood(socket)) {
      const example = `${isOption('sockets') ? `${name}=` : ''}${name}.sock`;
      problems.push(`${where}: ${valueText(socket)}: ${path.needed}, say ${example}`);
    }
  }
  const hasPfDriver = !isRaw && !isPf && !isUml;
  const routing = isUml ? UML_ROUTING : {};
  const card = cardConfig({ ...settings, ...routing }, vfs, hasPfDriver, place, problems);
  if (problems.length > 0) throw new UsageError(problems.join('; '));

  const isAmong = (setting: (typeof VARIANTS)[number], name: string): boolean => {
    const chosen = settings[setting];
    return chosen === true || (Array.isArray(chosen) && chosen.includes(name));
  };
  const kindOf = (name: string): FunctionKind => {
    if (isRaw) return 'raw';
    if (isUml) return 'uml';
    if (name === 'pf') return 'pf';
    if (isAmong('legacyOnly', name)) return 'legacy';
    return isAmong('transitional', name) ? 'transitional' : 'modern';
  };
  const folder = (settings['socketDir'] as string | undefined) ?? '.';
  return {
    card,
    functions: names.map((name) => ({
      name,
      fn: name === 'pf' ? 0 : Number(name.slice(2)),
      kind: kindOf(name),
      path: (sockets[name] as string | undefined) ?? join(folder, `${name}.sock`),
    })),
    hasPfDriver,
    isUml,
    timeTravel: hasOneClock
      ? { path: join(folder, 'time.sock'), guestNs: (settings['guestNs'] as number | undefined) ?? 0 }
      : null,
    wire: readWire((settings['wire'] as string | undefined) ?? 'none') ?? null,
  };
}

/** Settings that a kernel which enumerates by itself, in slots of its own, leaves no room for. */
const NOT_WITH_UML = ['raw', 'pf', ...VARIANTS, 'firstVfOffset', 'vfStride'];

function checkUml(
  settings: Settings,
  vfs: number,
  place: (name: string) => string,
  term: (name: string) => string,
  problems: string[],
): void {
  for (const name of NOT_WITH_UML) {
    if ((settings[name] ?? false) === false) continue;
    problems.push(
      `${place('uml')}: the kernel finds PF and VFs as the hardware shows them, in slots; leave ${term(name)} out`,
    );
  }
  if (vfs <= UML_VFS_MAX) return;
  problems.push(
    `${place('vfs')}: ${vfs}: User Mode Linux has 8 slots, one of them for the PF; take ${UML_VFS_MAX} or fewer`,
  );
}

/** Wires that do nothing by the clock on the wall. */
const TIMELESS_WIRES: ReadonlySet<string> = new Set(['none', 'loopback']);

/** One clock for the kernel and the card: whatever has a clock of its own cannot take part. */
function checkOneClock(
  settings: Settings,
  isUml: boolean,
  place: (name: string) => string,
  term: (name: string) => string,
  problems: string[],
): void {
  const where = place('timeTravel');
  if (!isUml) problems.push(`${where}: only a User Mode Linux kernel lends its clock; add ${term('uml')}`);
  if (settings['mode'] !== 'timed') {
    problems.push(`${where}: a functional card has no time; add ${term('mode')} timed`);
  }
  const wire = String(settings['wire'] ?? 'none');
  const isTimeless = TIMELESS_WIRES.has(wire) || /^pcap:[^,]+$/.test(wire);
  if (isTimeless) return;
  problems.push(
    `${place('wire')}: ${wire}: that has a clock of its own; none, loopback and pcap:FILE go with ${term('timeTravel')}`,
  );
}

/** Settings that have another name than the option of the card that they become. */
const SETTING_OF: Readonly<Record<string, string>> = {
  totalVfs: 'vfs',
  pfQueuePairs: 'queuePairs',
  vfQueuePairs: 'queuePairs',
};

function cardConfig(
  settings: Settings,
  vfs: number,
  hasPfDriver: boolean,
  place: (name: string) => string,
  problems: string[],
): ServeConfig['card'] {
  const pairs = settings['queuePairs'] as number | undefined;
  const copied = [
    'queueSize',
    'mac',
    'mtu',
    'receiveHoldBytes',
    'packed',
    'withoutFeatures',
    'firstVfOffset',
    'vfStride',
    'routingId',
  ];
  const card = {
    ...(pairs === undefined ? {} : { pfQueuePairs: pairs, vfQueuePairs: pairs }),
    ...(Object.fromEntries(copied.flatMap((name) => (name in settings ? [[name, settings[name]]] : []))) as NicConfig),
    mode: (settings['mode'] as 'functional' | 'timed' | undefined) ?? 'functional',
    totalVfs: vfs,
    profile: (settings['profile'] ?? {}) as Readonly<Record<string, number>>,
    wire: (settings['wire'] ?? 'none') === 'none' ? ('discard' as const) : ('host' as const),
    traceAdmin: true, // whoever has the PF may send commands
  };
  try {
    if (hasPfDriver) resolveMachine(card);
    else resolveConfig(card);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const found = error.problems.map(({ option, message }) => `${place(SETTING_OF[option] ?? option)}: ${message}`);
    problems.push(...new Set(found));
  }
  try {
    resolveProfile(card.mode, card.profile);
  } catch (error) {
    if (!(error instanceof NicError)) throw error;
    problems.push(`${place('profile')}: ${error.message.replace(/^[^:]+: /, '')}`); // the place says more than its heading
  }
  return card;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArrayOf(value: unknown, isGood: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isGood);
}
