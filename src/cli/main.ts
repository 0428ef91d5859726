// SPDX-License-Identifier: Apache-2.0
// The program `virtfn`: the entry that the package's bin points to.
import { EXIT } from './errors.ts';
import { runProgram } from './program.ts';

// Who reads the output may stop early (`virtfn lspci --hex | head`): not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

process.exitCode = await runProgram(process.argv.slice(2));
