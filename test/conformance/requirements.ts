// SPDX-License-Identifier: Apache-2.0
// The requirements that virtio 1.4 puts on the device, by id: level and one line each, in requirements.json.
// A suite names the one it proves in its title: describe(requirement('PCI-COMMON-03'), ...). The ids are counted by
// searching the tests for such calls, so each is written out as a plain string.
import { readRepoFile } from '../support/repo.ts';

export type RequirementLevel = 'MUST' | 'MUST NOT' | 'SHOULD' | 'SHOULD NOT' | 'MAY';

export interface Requirement {
  readonly id: string;
  readonly level: RequirementLevel;
  readonly text: string;
}

const LINES = JSON.parse(readRepoFile('test/conformance/requirements.json')) as Record<string, string>;

/** Every requirement, sorted by id. */
export const REQUIREMENTS: readonly Requirement[] = Object.entries(LINES).map(([id, line]) => {
  const colon = line.indexOf(': ');
  return { id, level: line.slice(0, colon) as RequirementLevel, text: line.slice(colon + 2) };
});

const BY_ID = new Map(REQUIREMENTS.map((entry) => [entry.id, entry]));

/** Title of the suite that proves the requirement `id`; throws where there is no such id. */
export function requirement(id: string): string {
  const found = BY_ID.get(id);
  if (found === undefined) throw new Error(`there is no requirement '${id}' in test/conformance/requirements.json`);
  return `${id} ${found.level}: ${found.text}`;
}
