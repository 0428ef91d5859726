// SPDX-License-Identifier: Apache-2.0
// The table of the lifecycles as people read it: one diagram for each machine (Mermaid), and rows.
import { LIFECYCLE_RULES, type MachineName, type Rule } from './lifecycle_rules.ts';

/** What each machine is, in the order in which they are shown. */
export const MACHINES: readonly { readonly name: MachineName; readonly title: string; readonly initial: string }[] = [
  { name: 'pf', title: 'The PF', initial: 'ready' },
  { name: 'vf', title: 'A VF', initial: 'absent' },
  { name: 'mdev', title: 'A mediated device', initial: 'absent' },
  { name: 'function', title: 'A function of the on-demand interface', initial: 'created' },
];

/** One operation in one or more states. */
export interface LifecycleRow {
  readonly states: string;
  readonly operation: string;
  /** New state, `stays`, `sleeps`, or errno. */
  readonly result: string;
  readonly why: string;
}

/** What an operation comes to. */
function resultText({ to, errno, waits }: Rule): string {
  if (waits === true) return 'sleeps';
  if (errno !== undefined) return to === undefined ? errno : `${errno}, ${to}`;
  return to ?? 'stays';
}

/** The rules of one machine as rows of text. */
export function lifecycleRows(machine: MachineName): LifecycleRow[] {
  return LIFECYCLE_RULES.filter((rule) => rule.machine === machine).map((rule) => ({
    states: rule.from.join(', '),
    operation: rule.on.map(operationText).join(', '),
    result: resultText(rule),
    why: rule.why,
  }));
}

/** The moves of one machine as a Mermaid state diagram; what is refused or changes nothing is left out. */
export function lifecycleDiagram(machine: MachineName): string {
  const { initial } = MACHINES.find(({ name }) => name === machine)!;
  const edges = new Map<string, string[]>();
  const names = new Set<string>([initial]);
  for (const rule of LIFECYCLE_RULES) {
    if (rule.machine !== machine || rule.to === undefined) continue;
    for (const from of rule.from) {
      if (from === rule.to) continue;
      names.add(from).add(rule.to);
      const edge = `${identifier(from)} --> ${identifier(rule.to)}`;
      const labels = rule.on.map((on) => operationText(on) + (rule.errno === undefined ? '' : ` (${rule.errno})`));
      edges.set(edge, [...(edges.get(edge) ?? []), ...labels]);
    }
  }
  return [
    'stateDiagram-v2',
    ...[...names].filter((name) => name !== identifier(name)).map((name) => `  state "${name}" as ${identifier(name)}`),
    `  [*] --> ${identifier(initial)}`,
    ...[...edges].map(([edge, labels]) => `  ${edge} : ${labels.join(', ')}`),
  ].join('\n');
}

function operationText(on: string): string {
  return on.replace(':', ' ');
}

/** A name that Mermaid takes for a state. */
function identifier(state: string): string {
  return state.replaceAll('-', '_');
}
