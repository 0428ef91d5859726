// SPDX-License-Identifier: Apache-2.0
// `virtfn uml`: the real drivers of Linux on the card, in User Mode Linux.
import { Command } from 'commander';

import { umlKernelCommand } from './kernel.ts';

/** The verb. */
export function umlCommand(): Command {
  return new Command('uml')
    .description("Linux's own drivers on the card, without root or KVM: uml kernel")
    .addCommand(umlKernelCommand())
    .addHelpText('after', '\nExample:\n  virtfn uml kernel');
}
