// SPDX-License-Identifier: Apache-2.0
// The API reference in build/api (`npm run docs:api`): what the entries of package.json `exports` have, from their doc
// comments. It is complete or it fails: what is exported has a comment, links lead somewhere, and types that signatures
// name are exported, too, but for those listed below.
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The sources that an entry of `exports` is compiled from; files that are no modules have no types. */
const entryPoints = Object.values(exports).flatMap(({ types }) =>
  types === undefined ? [] : [types.replace('./dist/', '../').replace(/\.d\.ts$/, '.ts')],
);

export default {
  name: 'virtfn',
  entryPoints,
  tsconfig: '../tsconfig.build.json',
  out: '../build/api',
  readme: 'none',
  excludeInternal: true,
  excludePrivate: true,
  excludeProtected: true,
  // methods are functions here; single fields say enough by name and type where they have no comment
  requiredToBeDocumented: ['Class', 'Enum', 'Function', 'Interface', 'TypeAlias', 'Variable'],
  validation: {
    invalidLink: true,
    invalidPath: true,
    notDocumented: true,
    notExported: true,
    rewrittenLink: true,
    unusedMergeModuleWith: true,
  },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  intentionallyNotExported: [
    // objects whose keys are names, from which a type is taken
    'src/fuzz/program.ts:OP',
    'src/provisioning/card.ts:CARD_OPTIONS',
    // the inside of a card, which only this package's own parts touch
    'src/core/pins.ts:CoreInstance',
    'src/core/pins.ts:InstrumentedPins',
    'src/device/iommu.ts:IommuState',
    'src/iommufd/io_page_table.ts:PinHolder',
    // the host's books about functions that come and go
    'src/provisioning/core_function.ts:CoreFunction',
    'src/provisioning/dma_binding.ts:DmaBinding',
    'src/provisioning/host.ts:Host',
    'src/provisioning/host.ts:NumberPool',
    'src/provisioning/host.ts:PfChild',
    'src/provisioning/lifecycle_state.ts:LifecycleState',
    'src/provisioning/on_demand_function.ts:FunctionDevice',
    'src/provisioning/tasks.ts:Steps',
    'src/provisioning/tasks.ts:Tasks',
    'src/provisioning/vfio_file.ts:OpenedNode',
    'src/provisioning/vfio_file.ts:RegisteredDevice',
    'src/provisioning/vfio_node.ts:VfioNodes',
  ],
};
