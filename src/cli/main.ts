// SPDX-License-Identifier: Apache-2.0
// The program `virtfn`.
import { readFileSync } from 'node:fs';

import { Command } from 'commander';

import { RELEASE_CORE_URL } from '../core/wasm_path.ts';

const program = new Command('virtfn').description(
  'A virtio network card with SR-IOV virtual functions, in WebAssembly',
);
program
  .command('start')
  .description('run the main job')
  .action(() => {
    console.log(`core: ${readFileSync(RELEASE_CORE_URL).length} bytes`);
  });
await program.parseAsync();
