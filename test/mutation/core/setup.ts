// SPDX-License-Identifier: Apache-2.0
// Setup of vitest.mutation.config.ts: the tests meet the mutant that VIRTFN_MUTANT names by its number, none without it.
import { switchTo } from './switch.ts';

switchTo(Number(process.env['VIRTFN_MUTANT'] ?? 0));
