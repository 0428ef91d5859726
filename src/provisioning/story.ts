// SPDX-License-Identifier: Apache-2.0
// The story that `virtfn lifecycle demo` tells, once for each way to make a function: say what it is before it exists, make
// it, give it to a driver and an address space, send frames, change another one meanwhile, take it away while it is open.
import type { TimingChoice } from '../device/config.ts';
import type { FunctionKind } from './on_demand_function.ts';
import { tellMdev } from './story_mdev.ts';
import { tellSiov } from './story_siov.ts';
import { tellSriov } from './story_sriov.ts';
import { Stage, StoryEnd, type StoryStep } from './story_stage.ts';

const TELLERS = { sriov: tellSriov, mdev: tellMdev, siov: tellSiov };

/** Kinds in the order of the story. */
export const STORY_KINDS: readonly FunctionKind[] = ['sriov', 'mdev', 'siov'];

/** Tells the story of one kind in simulated time, up to its end or the first step that failed. */
export function tellStory(kind: FunctionKind, timing: TimingChoice = {}): readonly StoryStep[] {
  const stage = new Stage(kind, timing);
  try {
    TELLERS[kind](stage);
  } catch (error) {
    if (!(error instanceof StoryEnd)) throw error;
  }
  return stage.steps;
}
