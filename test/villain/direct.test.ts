// SPDX-License-Identifier: Apache-2.0
// The corpus of bad drivers against the card in the process.
import { directPath } from '../../src/villain/path.ts';
import { corpusSuite } from './support/suite.ts';

corpusSuite(directPath);
