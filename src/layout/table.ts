// SPDX-License-Identifier: Apache-2.0
// Every block of the state of the card. `npm run layout` makes files of assembly/abi of it; docs/decisions/0027 says why.
import { CARD_BLOCKS } from './card.ts';
import { CONTROL_BLOCKS } from './control.ts';
import { FUNCTION_BLOCKS } from './functions.ts';
import { HOST_BLOCKS } from './host.ts';
import { MEMORY_BLOCKS } from './memory.ts';
import { PORT_BLOCKS } from './port.ts';
import { QUEUE_BLOCKS } from './queues.ts';
import { RECORD_BLOCKS } from './records.ts';
import type { Table } from './rows.ts';

export const TABLE: Table = [
  ...MEMORY_BLOCKS,
  ...CONTROL_BLOCKS,
  ...FUNCTION_BLOCKS,
  ...QUEUE_BLOCKS,
  ...CARD_BLOCKS,
  ...PORT_BLOCKS,
  ...HOST_BLOCKS,
  ...RECORD_BLOCKS,
];
