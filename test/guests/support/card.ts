// SPDX-License-Identifier: Apache-2.0
// What a scenario plugs into a guest: functions of one card, connected to the host's network.
import type { HostNetwork } from './network.ts';

/** 'pf', 'vf1', 'vf2', ... */
export type FunctionName = 'pf' | `vf${number}`;

export interface CardOptions {
  readonly network: HostNetwork;
  /** Folder of the run, as seen in the tree. */
  readonly folder: string;
  readonly functions: readonly FunctionName[];
  /** Whether the VFs stand behind the variant driver. */
  readonly transitional?: boolean;
  /** Whether they are transitional functions without the modern capabilities. */
  readonly legacyOnly?: boolean;
  readonly queuePairs?: number;
  /** Whether the card has a clock: simulated time that follows the time of day. */
  readonly timed?: boolean;
}

export interface Card {
  /** The process that presents the card; none where each QEMU does that itself. */
  readonly pid: number | undefined;
  /** Options of QEMU that put a function behind the root port `port`. */
  plug(fn: FunctionName, port: number): string[];
  stop(): Promise<void>;
}

/** A PCI Express root port for QEMU, named rpN, on which the guest finds bus N. */
export function rootPort(port: number): string[] {
  return ['-device', `pcie-root-port,id=rp${port},slot=${port},bus=pcie.0,addr=${port}.0`];
}

/** Locally administered address of a function. */
export function macOf(fn: FunctionName): string {
  const index = fn === 'pf' ? 0 : Number(fn.slice(2));
  return `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`;
}
