// SPDX-License-Identifier: Apache-2.0
// Which tests judge mutants: those that ask the device in their own process. Tests of the project's text, and those that start
// programs, see no mutant and would only take time.
import { repoFiles } from '../support/repo.ts';

const FOLDERS = [
  'behaviour',
  'conformance',
  'embedding',
  'host',
  'iommufd',
  'property',
  'provisioning',
  'reference',
  'timing',
  'villain',
];

/** They read the project, start programs, take minutes of measurements, compare with a core that has no mutants, or need vitest. */
const NO_JUDGES =
  /^test\/(?:villain\/vfio_user|timing\/acceptance|property\/instrumented)\.|\/(?:browser|bench_\w+|figures|cli\w*|\w*_cli|\w*_cli_\w*|docs|docs_commands|examples|package|workflows|provision_parallel|output_file|terminal_width|timing_model_doc|lifecycle_docs|requirements)\.test\.ts$/;

/** The guard of behaviour: it sees every change, right or wrong, so what it alone sees no test judges. */
export const isDigest = (file: string): boolean => file.startsWith('test/behaviour/');

/** All of them, or those in some folders. */
export function judgingTests(folders: readonly string[] = ['test']): string[] {
  return FOLDERS.flatMap((folder) => repoFiles(`test/${folder}`, '.test.ts')).filter(
    (file) => !NO_JUDGES.test(file) && folders.some((folder) => file === folder || file.startsWith(`${folder}/`)),
  );
}
