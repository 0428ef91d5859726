// SPDX-License-Identifier: Apache-2.0
// The corpus of bad drivers against the card behind the vfio-user server, over a real socket.
import { socketPath } from '../../src/villain/path.ts';
import { corpusSuite } from './support/suite.ts';

corpusSuite(await socketPath());
