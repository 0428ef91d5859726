// SPDX-License-Identifier: Apache-2.0
// `virtfn uml`: the real drivers of Linux on the card, in User Mode Linux.
import { Command } from 'commander';

import { umlKernelCommand } from './kernel.ts';
import { umlRunCommand } from './run.ts';

/** The verb. */
export function umlCommand(): Command {
  return new Command('uml')
    .description("Linux's own drivers on the card, without root or KVM: uml kernel, uml run")
    .addCommand(umlKernelCommand())
    .addCommand(umlRunCommand())
    .addHelpText('after', '\nExamples:\n  virtfn uml kernel\n  virtfn uml run test.sh --vfs 2');
}
