// SPDX-License-Identifier: Apache-2.0
// The program `virtfn`: the entry that the package's bin points to.
import { fileError } from '../files/errors.ts';
import { EXIT, reportError } from './kit/errors.ts';
import { runProgram } from './program.ts';

// Who reads the output may stop early (`virtfn lspci --hex | head`): not an error. A disk that is full is one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  process.exit(reportError(fileError('standard output', error), (line) => process.stderr.write(`${line}\n`)));
});
process.stderr.on('error', () => {}); // nobody is left to be told

process.exitCode = await runProgram(process.argv.slice(2));
