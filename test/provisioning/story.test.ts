// SPDX-License-Identifier: Apache-2.0
// How the story of the demo is told: each step with its result and time, and an end where one fails.
import { describe, expect, it } from 'vitest';

import { STORY_KINDS, tellStory } from '../../src/provisioning/story.ts';
import { Stage } from '../../src/provisioning/story_stage.ts';
import { NicError } from '../../src/util/errors.ts';

describe('a step', () => {
  it('takes the simulated time that passes in it', () => {
    const stage = new Stage('sriov');
    const { clock, nic } = stage.host.machine;

    stage.run('wait', 'nobody', () => {
      clock.advance(1000);
      return 'waited';
    });

    const simulatedNs = nic.toPs(1000) / 1000;
    expect(stage.steps).toEqual([
      { kind: 'sriov', step: 'wait', holder: 'nobody', result: 'waited', isOk: true, simulatedNs },
    ]);
  });

  it('that is refused, or is not as it should be, is told and ends the story', () => {
    const stage = new Stage('mdev');

    expect(() => stage.run('fail', 'card', () => stage.expect(false, 'it is not') ?? '')).toThrow('');
    expect(() => stage.run('fail', 'card', () => stage.refusal(() => {}))).toThrow('');

    expect(stage.steps.map(({ isOk, result }) => [isOk, result])).toEqual([
      [false, 'LIFECYCLE: it is not'],
      [false, 'LIFECYCLE: what should have been refused was done'],
    ]);
  });

  it('hands on what nobody foresaw', () => {
    const bug = new TypeError('a bug');

    expect(() =>
      new Stage('siov').run('fail', 'card', () => {
        throw bug;
      }),
    ).toThrow(bug);
  });

  it('tells an errno from what is not refused', () => {
    const stage = new Stage('siov');

    expect(stage.refusal(() => stage.functions.create('siov').open())).toBe('ENOENT');
    expect(() => stage.refusal(() => {})).toThrow(NicError);
  });
});

describe.each(STORY_KINDS)('the story of %s', (kind) => {
  it.each(['firmware', 'asic-gen5x16-1ghz', 'simple'])('goes well with the profile %s', (profileName) => {
    const steps = tellStory(kind, { profileName });

    expect(steps.filter(({ isOk }) => !isOk)).toEqual([]);
    expect(steps.length).toBeGreaterThan(9);
  });
});
