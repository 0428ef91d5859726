// SPDX-License-Identifier: Apache-2.0
// The corpus: every case, in the order of its ids.
import type { Case } from '../verdict.ts';
import { CHAIN_CASES } from './chains.ts';
import { DMA_CASES } from './dma.ts';
import { DOORBELL_CASES } from './doorbells.ts';
import { NET_CONTROL_CASES } from './net_control.ts';
import { PACKET_CASES } from './packets.ts';
import { QUEUE_SETUP_CASES } from './queue_setup.ts';
import { RING_CASES } from './rings.ts';

/** A group of the corpus. */
export interface Group {
  readonly letter: string;
  readonly title: string;
  readonly cases: readonly Case[];
}

export const GROUPS: readonly Group[] = [
  { letter: 'Q', title: 'Queues', cases: [...QUEUE_SETUP_CASES, ...DOORBELL_CASES] },

  { letter: 'D', title: 'Descriptors', cases: [...CHAIN_CASES, ...RING_CASES, ...DMA_CASES] },
  { letter: 'N', title: 'Network: commands and packets', cases: [...NET_CONTROL_CASES, ...PACKET_CASES] },
];

export const CORPUS: readonly Case[] = GROUPS.flatMap(({ cases }) => cases);

/** Cases whose ids begin with one of the patterns, which commas separate; `*` stands for anything. */
export function casesMatching(patterns: string): readonly Case[] {
  const expressions = patterns.split(',').map((pattern) => {
    const text = pattern
      .trim()
      .replaceAll(/[^\w*]/g, '\\$&')
      .replaceAll('*', '.*');
    return new RegExp(`^${text}`, 'i');
  });
  return CORPUS.filter(({ id }) => expressions.some((expression) => expression.test(id)));
}
