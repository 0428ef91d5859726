// SPDX-License-Identifier: Apache-2.0
// How constants are called where they are used: `import * as Q from '../abi/queue.ts'` makes of Q_SIZE, as tables and logs
// have it, Q.SIZE. The prefix of a module's names is the name that it is imported by.

const NAMESPACES: Readonly<Record<string, readonly string[]>> = {
  control: ['CTL'],
  credit: ['CREDIT'],
  dma_context: ['DMA'],
  event_code: ['EV'],
  event_node: ['EVENT'],
  function: ['FN'],
  generator: ['GEN', 'GENERATOR'],
  inbound: ['INBOUND'],
  iotlb: ['IOTLB'],
  job: ['JOB'],
  link: ['LINK'],
  nic_config: ['CFG'],
  posted: ['POSTED'],
  profile: ['PROFILE'],
  queue: ['Q', 'QUEUE'],
  request: ['REQUEST'],
  tag: ['TAG'],
  timing_param: ['P'],
  trace_kind: ['TRACE'],
};

type Constants = Readonly<Record<string, number>>;

/** The name under which a file of assembly/abi exports a constant. */
export function exportedName(file: string, name: string): string {
  const prefix = NAMESPACES[file]?.find((each) => name.startsWith(`${each}_`));
  return prefix === undefined ? name : name.slice(prefix.length + 1);
}

/** The name of a constant of that file where it is used. */
export function usedName(file: string, name: string): string {
  const exported = exportedName(file, name);
  const space = NAMESPACES[file]?.[0];
  return space === undefined ? exported : `${space}.${exported}`;
}

/** The constants of a file under the names that they have where they are used. */
export function asUsed(file: string, constants: Constants): Constants {
  return Object.fromEntries(Object.entries(constants).map(([name, value]) => [usedName(file, name), value]));
}
