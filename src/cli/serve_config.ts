// SPDX-License-Identifier: Apache-2.0
// What `virtfn serve` is asked to do: options of the command line, or the same in a JSON file.
import type { NicConfig } from '../device/config.ts';

/** What the wire leads to. */
export type WireChoice = { readonly kind: 'loopback' } | { readonly kind: 'tap'; readonly name: string };

export interface ServeConfig {
  readonly card: NicConfig & { readonly mode: 'functional' | 'timed'; readonly totalVfs: number };
  readonly socketDir: string;
  /** Paths of single functions, by name. */
  readonly sockets: ReadonlyMap<string, string>;
  readonly pf: boolean;
  readonly transitional: boolean;
  readonly raw: boolean;
  /** Null: frames that leave are counted. */
  readonly wire: WireChoice | null;
}

/** `--wire` in words; null for `none`. Undefined where it is no wire. */
export function readWire(text: string): WireChoice | null | undefined {
  if (text === 'none') return null;
  if (text === 'loopback') return { kind: 'loopback' };
  const tap = /^tap:(.+)$/.exec(text);
  return tap === null ? undefined : { kind: 'tap', name: tap[1]! };
}
