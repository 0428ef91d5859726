// SPDX-License-Identifier: Apache-2.0
// What the row tables of assembly/abi say to tsc: the two names of AssemblyScript that they use.
type u32 = number;
type StaticArray<T> = readonly T[];
