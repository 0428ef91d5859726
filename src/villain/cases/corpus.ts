// SPDX-License-Identifier: Apache-2.0
// The corpus: every case, in the order of its ids.
import type { Case } from '../case.ts';
import { ADMIN_COMMAND_CASES } from './admin_commands.ts';
import { ADMIN_FLIGHT_CASES } from './admin_flight.ts';
import { CHAIN_CASES } from './chains.ts';
import { DMA_CASES } from './dma.ts';
import { DOORBELL_CASES } from './doorbells.ts';
import { LEGACY_BAR_CASES } from './legacy_bar.ts';
import { LEGACY_COMMAND_CASES } from './legacy_commands.ts';
import { MIGRATION_CASES } from './migration.ts';
import { MSIX_CASES } from './msix.ts';
import { NET_CONTROL_CASES } from './net_control.ts';
import { PACKET_CASES } from './packets.ts';
import { PCI_CASES, POWER_CASES } from './pci.ts';
import { QUEUE_SETUP_CASES } from './queue_setup.ts';
import { HOST_API_CASES, REGISTER_CASES } from './registers.ts';
import { RING_CASES } from './rings.ts';

/** A group of the corpus. */
export interface Group {
  readonly letter: string;
  readonly title: string;
  readonly cases: readonly Case[];
}

/** In the order of their numbers; those of one number stay as they are. */
function ordered(...lists: readonly (readonly Case[])[]): Case[] {
  const numberOf = ({ id }: Case): number => Number(id.slice(1, 3));
  return lists.flat().sort((one, other) => numberOf(one) - numberOf(other));
}

export const GROUPS: readonly Group[] = [
  {
    letter: 'R',
    title: 'Registers and configuration',
    cases: ordered(REGISTER_CASES, PCI_CASES, MSIX_CASES, POWER_CASES, HOST_API_CASES),
  },
  { letter: 'Q', title: 'Queues', cases: ordered(QUEUE_SETUP_CASES, DOORBELL_CASES) },
  { letter: 'D', title: 'Descriptors', cases: ordered(CHAIN_CASES, RING_CASES, DMA_CASES) },
  { letter: 'A', title: 'Administration commands', cases: ordered(ADMIN_COMMAND_CASES, ADMIN_FLIGHT_CASES) },
  { letter: 'L', title: 'Legacy interface', cases: ordered(LEGACY_BAR_CASES, LEGACY_COMMAND_CASES) },
  { letter: 'M', title: 'Migration', cases: MIGRATION_CASES },
  { letter: 'N', title: 'Network: commands and packets', cases: ordered(NET_CONTROL_CASES, PACKET_CASES) },
];

export const CORPUS: readonly Case[] = GROUPS.flatMap(({ cases }) => cases);

/** Cases whose ids begin with one of the patterns, which commas separate; `*` stands for anything. */
export function casesMatching(patterns: string): readonly Case[] {
  const expressions = patterns
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
    .map((pattern) => {
      const text = pattern.replaceAll(/[^\w*]/g, '\\$&').replaceAll('*', '.*');
      return new RegExp(`^${text}`, 'i');
    });
  return CORPUS.filter(({ id }) => expressions.some((expression) => expression.test(id)));
}
