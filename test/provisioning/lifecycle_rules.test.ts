// SPDX-License-Identifier: Apache-2.0
// The table of the lifecycles as a table: one rule for each state and operation, no dead end, nothing out of reach.
import { describe, expect, it } from 'vitest';

import { lifecycleDiagram, MACHINES } from '../../src/provisioning/lifecycle_diagram.ts';
import { findRule, LIFECYCLE_RULES, ruleFor } from '../../src/provisioning/lifecycle_rules.ts';
import { ERRNO } from '../../src/util/errors.ts';

/** What can be asked for at any time, whatever the state, by whoever can write to a file of sysfs. */
const ALWAYS: Record<string, readonly string[]> = {
  pf: ['numvfs:no-number', 'numvfs:too-many', 'numvfs:same', 'bind', 'unbind', 'reset'],
  mdev: ['create', 'bind', 'remove', 'open'],
  function: ['configure', 'enable', 'open', 'destroy'],
  vf: ['override', 'probe', 'probe:no-match', 'bind', 'bind:no-match', 'unbind:other', 'reset', 'open'],
};
/** States that nobody sees, because the call that enters one leaves it. */
const INSIDE_A_CALL = ['probing'];
/** States that nothing leads out of. */
const FINAL = ['gone'];

describe.each(MACHINES)('$title', ({ name, initial }) => {
  const rules = LIFECYCLE_RULES.filter(({ machine }) => machine === name);
  const states = [...new Set(rules.flatMap(({ from }) => from))];

  it('has one rule for a state and an operation', () => {
    const pairs = rules.flatMap(({ from, on }) => from.flatMap((state) => on.map((word) => `${state} ${word}`)));

    expect(pairs.filter((pair, i) => pairs.indexOf(pair) !== i)).toEqual([]);
  });

  it('comes to every state, and leaves it', () => {
    const reached = new Set([initial]);
    for (const _ of states)
      for (const { from, to } of rules)
        if (to !== undefined && from.some((state) => reached.has(state))) reached.add(to);

    expect([...reached].toSorted()).toEqual(states.toSorted());
    const left = rules
      .filter(({ to }) => to !== undefined)
      .flatMap(({ from, to }) => from.filter((state) => state !== to));
    expect([...new Set(left)].toSorted()).toEqual(states.filter((state) => !FINAL.includes(state)).toSorted());
  });

  it('answers what can always be asked for', () => {
    const missing = states
      .filter((state) => !INSIDE_A_CALL.includes(state))
      .flatMap((state) =>
        ALWAYS[name]!.filter((on) => findRule(name, state, on) === undefined).map((on) => `${state} ${on}`),
      );

    expect(missing).toEqual([]);
  });

  it('knows errno names, and sleeps only where nothing else comes of it', () => {
    const named = rules.flatMap(({ errno }) => (errno === undefined ? [] : [errno]));
    const asleep = rules.filter(({ waits }) => waits === true);

    expect(named.filter((errno) => !(errno in ERRNO))).toEqual([]);
    expect(asleep.filter(({ to, errno }) => to !== undefined || errno !== undefined)).toEqual([]);
  });

  it('is drawn with each move', () => {
    const lines = lifecycleDiagram(name).split('\n');

    expect(lines[0]).toBe('stateDiagram-v2');
    const drawn = lines
      .filter((line) => line.includes('-->') && !line.includes('[*]'))
      .map((line) => line.trim().split(' :')[0]);
    const moves = rules.flatMap(({ from, to }) =>
      from.filter((state) => to !== undefined && state !== to).map((state) => `${state} --> ${to}`),
    );
    expect(drawn.toSorted()).toEqual(
      [...new Set(moves.map((move) => move.replaceAll(/(?<=\w)-(?=\w)/g, '_')))].toSorted(),
    );
  });
});

it('an operation without a rule is a bug of the model, and says so', () => {
  expect(() => ruleFor('pf', 'ready', 'fly')).toThrow(expect.objectContaining({ code: 'LIFECYCLE' }));
});
