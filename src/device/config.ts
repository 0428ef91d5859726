// SPDX-License-Identifier: Apache-2.0
// What a card is made of: options with defaults, checked all at once before anything is built.
import * as C from '../../assembly/abi/nic_config.ts';
import { VIRTIO_F_VERSION_1 } from '../../assembly/abi/virtio_features.ts';
import { MSIX_VECTORS_MAX } from '../../assembly/abi/function.ts';
import { NicError } from '../util/errors.ts';
import { macBytes } from '../util/mac.ts';
import { unknownOptions, type OptionNames } from '../util/options.ts';
import type { NicMode, ProfileOverrides } from './profile.ts';

/** Options of createNic; everything has a default. */
export interface NicConfig {
  /** `timed`: every step costs what the profile says. `functional`: the same behaviour without delay. Default timed. */
  readonly mode?: NicMode;
  /** Timing profile by name, one of PROFILES. Default fpga-gen3x8-250mhz. */
  readonly profileName?: string;
  /** Overrides of its parameters by name, see profileParameters(). */
  readonly profile?: ProfileOverrides;
  /** TotalVFs, 1..1024. Default 8. */
  readonly totalVfs?: number;
  /** Functions beside PF and VFs that createFunction() brings into being; at most 1,100 functions in all. Default 0. */
  readonly onDemandFunctions?: number;
  /** First VF Offset: routing id of VF 1 less that of the PF. Default 1. */
  readonly firstVfOffset?: number;
  /** VF Stride. Default 1. */
  readonly vfStride?: number;
  /** Routing id of the PF, bus << 8 | device << 3 | function. Default 0x0100 (01:00.0). */
  readonly routingId?: number;
  /** Descriptors in each net queue, a power of two from 2 to 256. Default 256. */
  readonly queueSize?: number;
  /** Descriptors in the admin queue, likewise. Default 256. */
  readonly adminQueueSize?: number;
  /** Receive/transmit queue pairs of the PF, 1..8. Default 1. */
  readonly pfQueuePairs?: number;
  /** Pairs of each VF. Default 1. */
  readonly vfQueuePairs?: number;
  /** MSI-X vectors of the PF, 2..32. Default one for each queue, one for the configuration. */
  readonly pfVectors?: number;
  readonly vfVectors?: number;
  /** MSI-X vectors that all VFs have together, two each at least. Default enough for all. */
  readonly vfVectorPool?: number;
  /** 68..9000. Default 1500. */
  readonly mtu?: number;
  /** Address of the PF; VF n has the number added to the last three bytes. Default 02:76:66:00:00:00. */
  readonly mac?: string;
  /** Feature bits that are not offered, by number. */
  readonly withoutFeatures?: readonly number[];
  /** Offer the legacy access commands. Default true. */
  readonly legacy?: boolean;
  /** `host`: frames that leave on the wire come to onFrame. `discard`: they are counted. Default host. */
  readonly wire?: 'host' | 'discard';
  /**
   * Bytes of each function for frames that find no receive buffer: held back until there is one, in place of dropped. Its
   * receive queues share them. A multiple of 4096 up to 1 MiB. Default 0: such frames are dropped.
   */
  readonly receiveHoldBytes?: number;
  /** Bytes of guest memory that drivers share with the card. Default 2 MiB for each of up to 16 drivers, at least two. */
  readonly windowBytes?: number;
  /** Whole window at iova 0 for every function, without any mapping by the caller. Default false. */
  readonly identityDma?: boolean;
  /** LIST_QUERY and LIST_USE of the SR-IOV group work while VF Enable is clear (AMB-01). Default true. */
  readonly lenientSriovLists?: boolean;
  /** A record of each admin command's life goes to onAdminCommand. Default false. */
  readonly traceAdmin?: boolean;
  /** Bytes of the ring for startTrace(), up to 256 MiB. Default 0: no trace. */
  readonly traceBytes?: number;
}

/** The options that say how long things take. */
export type TimingChoice = Pick<NicConfig, 'profileName' | 'profile'>;

/** A configuration with every value filled in. */
export interface ResolvedConfig extends Required<Omit<NicConfig, 'profile' | 'profileName'>> {
  readonly words: ReadonlyMap<number, number>;
}

const OPTIONS: OptionNames<NicConfig> = {
  mode: true,
  profileName: true,
  profile: true,
  totalVfs: true,
  onDemandFunctions: true,
  firstVfOffset: true,
  vfStride: true,
  routingId: true,
  queueSize: true,
  adminQueueSize: true,
  pfQueuePairs: true,
  vfQueuePairs: true,
  pfVectors: true,
  vfVectors: true,
  vfVectorPool: true,
  mtu: true,
  mac: true,
  withoutFeatures: true,
  legacy: true,
  wire: true,
  receiveHoldBytes: true,
  windowBytes: true,
  identityDma: true,
  lenientSriovLists: true,
  traceAdmin: true,
  traceBytes: true,
};

/** Address of the PF. */
const DEFAULT_MAC = '02:76:66:00:00:00';
/** PF, VFs and functions on demand that a card may have together. */
const MAX_FUNCTIONS = 1100;
/** Bus 255, device 31, function 7. */
const LAST_ROUTING_ID = 0xffff;

/** One bad option. */
export interface ConfigProblem {
  readonly option: string;
  readonly message: string;
  /** A value that would do, as far as this option goes; `message` names it. */
  readonly remedy: unknown;
}

/** A configuration that no card can have; `problems` has every bad option. */
export class ConfigError extends NicError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const texts = problems.map(({ option, message }) => `${option} = ${message}`);
    super('CONFIG', `configuration of the card: ${texts.join('; ')}`);
    this.problems = problems;
  }
}

/** Fills defaults in and checks. Throws ConfigError that names every bad value. */
export function resolveConfig(config: NicConfig): ResolvedConfig {
  const problems: ConfigProblem[] = [];
  const check = (isGood: boolean, option: keyof NicConfig, value: unknown, text: string, remedy: unknown): void => {
    if (!isGood) problems.push({ option, message: `${String(value)}: ${text}`, remedy });
  };
  const whole = (name: keyof NicConfig, value: number, low: number, high: number): number => {
    const isGood = Number.isInteger(value) && value >= low && value <= high;
    check(isGood, name, value, `a whole number from ${low} to ${high} is needed`, value > high ? high : low);
    return value;
  };
  const ringSize = (name: keyof NicConfig, value: number): number => {
    whole(name, value, 2, 256);
    const isPower = (value & (value - 1)) === 0;
    const below = 2 ** Math.floor(Math.log2(Math.min(Math.max(value, 2), 256)));
    check(isPower, name, value, `a power of two is needed, say ${below}`, below);
    return value;
  };
  const pages = (name: keyof NicConfig, value: number, low: number, high: number): number => {
    whole(name, value, low, high);
    const above = Math.min(Math.ceil(value / 4096) * 4096, high);
    check(value % 4096 === 0, name, value, `a multiple of 4096 is needed, say ${above}`, above);
    return value;
  };

  const flag = (name: keyof NicConfig, value: boolean): boolean => {
    check(typeof value === 'boolean', name, value, 'true or false is needed', true);
    return value;
  };
  const oneOf = <T extends string>(name: keyof NicConfig, value: T, choices: readonly T[]): T => {
    check(choices.includes(value), name, value, `${choices.join(' or ')} is needed`, choices[0]);
    return value;
  };

  if (typeof config !== 'object' || config === null) {
    throw new NicError('CONFIG', `configuration of the card: ${String(config)} is no object of options`);
  }
  const given = config as Readonly<Record<string, unknown>>;
  for (const { name, message } of unknownOptions(config, OPTIONS)) {
    problems.push({ option: name, message: `${String(given[name])}: ${message}`, remedy: undefined });
  }
  const mode = oneOf('mode', config.mode ?? 'timed', ['timed', 'functional']);
  const wire = oneOf('wire', config.wire ?? 'host', ['host', 'discard']);
  const legacy = flag('legacy', config.legacy ?? true);
  const identityDma = flag('identityDma', config.identityDma ?? false);
  const lenientSriovLists = flag('lenientSriovLists', config.lenientSriovLists ?? true);
  const traceAdmin = flag('traceAdmin', config.traceAdmin ?? false);
  const totalVfs = whole('totalVfs', config.totalVfs ?? 8, 1, 1024);
  const onDemandFunctions = whole('onDemandFunctions', config.onDemandFunctions ?? 0, 0, 1024);
  const functions = 1 + totalVfs + onDemandFunctions;
  check(
    problems.length > 0 || functions <= MAX_FUNCTIONS,
    'onDemandFunctions',
    onDemandFunctions,
    `PF, VFs and these are ${functions}; at most ${MAX_FUNCTIONS - 1 - totalVfs} are possible beside them`,
    MAX_FUNCTIONS - 1 - totalVfs,
  );
  const firstVfOffset = whole('firstVfOffset', config.firstVfOffset ?? 1, 1, 0xffff);
  const vfStride = whole('vfStride', config.vfStride ?? 1, 1, 0xffff);
  const routingId = whole('routingId', config.routingId ?? 0x0100, 0, 0xffff);
  const places = { routingId, firstVfOffset, vfStride, totalVfs };
  if (problems.every(({ option }) => !(option in places))) checkRoutingIds(places, check);
  const queueSize = ringSize('queueSize', config.queueSize ?? 256);
  const adminQueueSize = ringSize('adminQueueSize', config.adminQueueSize ?? 256);
  const pfQueuePairs = whole('pfQueuePairs', config.pfQueuePairs ?? 1, 1, 8);
  const vfQueuePairs = whole('vfQueuePairs', config.vfQueuePairs ?? 1, 1, 8);
  const pfVectors = whole('pfVectors', config.pfVectors ?? 2 * pfQueuePairs + 3, 2, 32);
  const vfVectors = whole('vfVectors', config.vfVectors ?? 2 * vfQueuePairs + 2, 2, 32);
  const vfVectorPool = config.vfVectorPool ?? totalVfs * vfVectors;
  whole('vfVectorPool', vfVectorPool, 2 * totalVfs, MSIX_VECTORS_MAX * totalVfs);
  const mtu = whole('mtu', config.mtu ?? 1500, 68, 9000);
  const windowBytes = pages('windowBytes', config.windowBytes ?? (Math.min(totalVfs, 14) + 2) << 21, 4096, 2 ** 30);
  const traceBytes = pages('traceBytes', config.traceBytes ?? 0, 0, 2 ** 28);
  const receiveHoldBytes = pages('receiveHoldBytes', config.receiveHoldBytes ?? 0, 0, 2 ** 20);
  const pairs = Math.max(pfQueuePairs, vfQueuePairs);
  const leastHold = Math.ceil((pairs * heldBytes(mtu)) / 4096) * 4096;
  check(
    problems.length > 0 || receiveHoldBytes === 0 || receiveHoldBytes >= leastHold,
    'receiveHoldBytes',
    receiveHoldBytes,
    `each of ${pairs} receive queues has to hold a frame of mtu ${mtu}; ${leastHold} would do`,
    leastHold,
  );
  const mac = config.mac ?? DEFAULT_MAC;
  const parsed = macBytes(mac);
  check(
    parsed !== null,
    'mac',
    mac,
    `six bytes in hexadecimal with colons are needed, say ${DEFAULT_MAC}`,
    DEFAULT_MAC,
  );
  const bytes = parsed ?? [0, 0, 0, 0, 0, 0];
  check((bytes[0]! & 1) === 0, 'mac', mac, `a unicast address is needed, say ${DEFAULT_MAC}`, DEFAULT_MAC);
  const bits = config.withoutFeatures ?? [];
  check(Array.isArray(bits), 'withoutFeatures', bits, 'a list of bit numbers is needed, say []', []);
  const withoutFeatures = Array.isArray(bits) ? bits : [];
  let mask0 = 0xffffffff;
  let mask1 = 0xffffffff;
  const isBit = (bit: unknown): boolean => Number.isInteger(bit) && (bit as number) >= 0 && (bit as number) < 64;
  const others = withoutFeatures.filter((bit) => isBit(bit) && bit !== VIRTIO_F_VERSION_1);
  for (const bit of withoutFeatures) {
    check(isBit(bit), 'withoutFeatures', bit, `bit numbers from 0 to 63 are needed, say [${others}]`, others);
    const isKept = bit === VIRTIO_F_VERSION_1;
    check(!isKept, 'withoutFeatures', bit, `VIRTIO_F_VERSION_1 is always offered; [${others}] would do`, others);
    if (bit < 32) mask0 = (mask0 & ~(1 << bit)) >>> 0;
    else mask1 = (mask1 & ~(1 << (bit - 32))) >>> 0;
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const words = new Map<number, number>([
    [C.CFG_TOTAL_VFS, totalVfs],
    [C.CFG_FIRST_VF_OFFSET, firstVfOffset],
    [C.CFG_VF_STRIDE, vfStride],
    [C.CFG_PF_ROUTING_ID, routingId],
    [C.CFG_QUEUE_SIZE, queueSize],
    [C.CFG_ADMIN_QUEUE_SIZE, adminQueueSize],
    [C.CFG_PF_PAIRS, pfQueuePairs],
    [C.CFG_VF_PAIRS, vfQueuePairs],
    [C.CFG_PF_VECTORS, pfVectors],
    [C.CFG_VF_VECTORS, vfVectors],
    [C.CFG_MTU, mtu],
    [C.CFG_MAC_LO, (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0],
    [C.CFG_MAC_HI, bytes[4]! | (bytes[5]! << 8)],
    [C.CFG_FEATURES_MASK_0, mask0],
    [C.CFG_FEATURES_MASK_1, mask1],
    [C.CFG_LEGACY, legacy ? 1 : 0],
    [C.CFG_WIRE_MODE, wire === 'host' ? 1 : 0],
    [C.CFG_WINDOW_BYTES, windowBytes],
    [C.CFG_SRIOV_LIST_LENIENT, lenientSriovLists ? 1 : 0],
    [C.CFG_TRACE_ADMIN, traceAdmin ? 1 : 0],
    [C.CFG_IDENTITY_DMA, identityDma ? 1 : 0],
    [C.CFG_ON_DEMAND_FUNCTIONS, onDemandFunctions],
    [C.CFG_VF_VECTOR_POOL, vfVectorPool],
    [C.CFG_RECEIVE_HOLD_BYTES, receiveHoldBytes],
  ]);
  return {
    mode,
    totalVfs,
    onDemandFunctions,
    firstVfOffset,
    vfStride,
    routingId,
    queueSize,
    adminQueueSize,
    pfQueuePairs,
    vfQueuePairs,
    pfVectors,
    vfVectors,
    vfVectorPool,
    mtu,
    mac,
    withoutFeatures,
    legacy,
    wire,
    receiveHoldBytes,
    windowBytes,
    identityDma,
    lenientSriovLists,
    traceAdmin,
    traceBytes,
    words,
  };
}

/** A held frame in its ring: length, Ethernet header, two tags, packet. */
function heldBytes(mtu: number): number {
  return 4 + Math.ceil((mtu + 14 + 8) / 4) * 4;
}

/** VFs lie between the PF and the last routing id that there is, that of bus 255. */
function checkRoutingIds(
  {
    routingId,
    firstVfOffset,
    vfStride,
    totalVfs,
  }: Record<'routingId' | 'firstVfOffset' | 'vfStride' | 'totalVfs', number>,
  check: (isGood: boolean, option: keyof NicConfig, value: unknown, text: string, remedy: unknown) => void,
): void {
  const behind = totalVfs - 1;
  const last = routingId + firstVfOffset + behind * vfStride;
  if (last <= LAST_ROUTING_ID) return;
  const text = (remedy: number): string =>
    `the last VF would have routing id ${last}, beyond bus 255; ${remedy} would do`;
  const stride = Math.floor((LAST_ROUTING_ID - routingId - firstVfOffset) / behind);
  const offset = LAST_ROUTING_ID - routingId - behind * vfStride;
  const pf = LAST_ROUTING_ID - firstVfOffset - behind * vfStride;
  if (behind > 0 && stride >= 1) check(false, 'vfStride', vfStride, text(stride), stride);
  else if (offset >= 1) check(false, 'firstVfOffset', firstVfOffset, text(offset), offset);
  else if (pf >= 0 && pf < routingId) check(false, 'routingId', routingId, text(pf), pf);
  else if (vfStride > 1) check(false, 'vfStride', vfStride, text(1), 1);
  else check(false, 'firstVfOffset', firstVfOffset, text(1), 1);
}
