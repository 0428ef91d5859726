// SPDX-License-Identifier: Apache-2.0
// Measures single accesses on a card that is otherwise idle: before each one everything has come to rest and a random
// gap has passed, after it everything comes to rest again, so the link's counters tell its traffic.
import * as P from '../../assembly/abi/timing_param.ts';
import type { AdminRecord } from '../device/admin_record.ts';
import type { Machine } from '../machine/machine.ts';
import { NicError } from '../util/errors.ts';
import { Accountant, type Accounts, type DirectAccess } from './accounts.ts';
import { commandPhases, type LoneCommand, type Phases } from './phases.ts';
import type { Random } from '../util/random.ts';
import { trafficSince, type Sample } from './summary.ts';

/** Longest gap between two accesses, in cycles: about the time of one. */
const GAP_CYCLES = 1024;

interface MeasuredAccess {
  readonly end: number;
  readonly phases: Phases;
  readonly accounts: Accounts;
}

/** Takes samples on one machine, which has traceAdmin set. */
export class Meter {
  readonly machine: Machine;
  readonly accountant: Accountant;
  private readonly random: Random;
  private record: AdminRecord | null = null;

  constructor(machine: Machine, random: Random) {
    this.machine = machine;
    this.accountant = new Accountant(machine.nic.profile, machine.nic.config.packed);
    this.random = random;
    machine.nic.onAdminCommand((record) => {
      this.record = record;
    });
  }

  /** An access that is one administration command, as long as its driver waits for it. */
  command(access: () => void): Sample {
    return this.take((begin) => {
      const command = this.run(access, begin);
      const phases = commandPhases(command);
      return { end: command.end, phases, accounts: this.accountant.command(command.record, phases) };
    });
  }

  /** A register read: the completion's travel and the register's time can be told apart by the profile alone. */
  directRead(access: () => void): Sample {
    return this.direct(access, { writes: 0, reads: 1 });
  }

  /** A register write and, by a read behind it, the certainty that it has taken effect. */
  directReadBack(access: () => void): Sample {
    return this.direct(access, { writes: 1, reads: 1 });
  }

  /** A posted register write, until it takes effect in the card; its driver does not wait. */
  directWrite(access: () => void): Sample {
    return this.direct(access, { writes: 1, reads: 0 });
  }

  private direct(access: () => void, kind: DirectAccess): Sample {
    return this.take((begin) => {
      access();
      const { nic } = this.machine;
      const end = kind.reads === 0 ? nic.nextEventTime() : nic.now();
      const inside = this.cost(P.COMPLETER) + (kind.reads === 0 ? 0 : this.cost(P.REGISTER));
      const phases = { link: end - begin - inside, access: inside };
      return { end, phases, accounts: this.accountant.direct(kind, phases) };
    });
  }

  /** Any access whose end, phases and accounts `work` finds out. */
  take(work: (begin: number) => MeasuredAccess): Sample {
    const { nic, clock } = this.machine;
    this.machine.settle();
    clock.advance(this.random.below(GAP_CYCLES));
    const before = nic.linkTraffic();
    const begin = nic.now();
    const { end, phases, accounts } = work(begin);
    this.machine.settle();
    return { cycles: end - begin, phases, accounts, traffic: trafficSince(before, nic.linkTraffic()) };
  }

  /** Runs an access that is one command and returns the command's life. */
  run(access: () => void, begin: number): LoneCommand {
    this.record = null;
    access();
    if (this.record === null) throw new NicError('BENCH', 'an access that should be an admin command made none');
    return { record: this.record, begin, end: this.machine.nic.now() };
  }

  /** Cycles that the profile sets for a step. */
  private cost(parameter: number): number {
    return this.machine.nic.profile.words.get(parameter)!;
  }
}
