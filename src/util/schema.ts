// SPDX-License-Identifier: Apache-2.0
// Names of the program's JSON formats: `virtfn`, what it is, in parts with dots, a slash and the version of the format, say
// virtfn.bench.dma/1. The version goes up when a reader of the one before would misread or miss something.

/** Does a file say that it has this format? Some names had a slash for the dot; their files are still read. */
export function isSchema(value: unknown, schema: string): boolean {
  return value === schema || value === schema.replace('.', '/');
}
