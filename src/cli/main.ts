// SPDX-License-Identifier: Apache-2.0
// The program `virtfn`: the entry that the package's bin points to.
import { runProgram } from './program.ts';

process.stderr.on('error', () => {}); // nobody is left to be told

process.exitCode = await runProgram(process.argv.slice(2));
