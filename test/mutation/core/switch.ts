// SPDX-License-Identifier: Apache-2.0
// The host's side of assembly/fuzz/mutation.ts: one switch and one tank for all cards of the process, and a list of the sites
// that a core passed. From the import of this module on, every instance of a core is given them.
import { REPORTED } from '../../../assembly/abi/fuzz_memory.ts';
import { TRACE_CONTROL } from '../../../assembly/abi/state_map.ts';

/** The largest number that a site's first mutant may have: marks, of two bytes, end before what follows them in memory. */
export const MUTANTS_MAX = (TRACE_CONTROL - REPORTED) / 2 - 1;
/** A core marks what it reported with the number it was asked by, in 16 bits. */
const ASKED_MAX = 0x7fff;
export const FUEL_MAX = 0x7fffffff;

const active = new WebAssembly.Global({ value: 'i32', mutable: true }, 0);
const fuel = new WebAssembly.Global({ value: 'i32', mutable: true }, FUEL_MAX);
const passed = new Set<number>();
let asked = 0;

const { Instance, Module } = WebAssembly;
const modules = new Map<number, WebAssembly.Module>();

WebAssembly.Instance = class extends Instance {
  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports = {}) {
    const mutation = { ACTIVE: active, FUEL: fuel, passed: (site: number) => passed.add(site) };
    super(module, { ...imports, mutation });
  }
};

// a test file that runs once more reads the core once more; it is compiled once
WebAssembly.Module = class extends Module {
  constructor(bytes: BufferSource) {
    const known = modules.get(bytes.byteLength);
    super(known === undefined ? bytes : EMPTY_MODULE);
    const module = known ?? new Module(bytes);
    modules.set(bytes.byteLength, module);
    return module as this;
  }
};
const EMPTY_MODULE = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** Switches a mutant on in all cards, those included that are there already; 0 is the core as it is. */
export function switchTo(mutant: number): void {
  active.value = mutant;
}

/** Turns of loops that the core may make from here on. */
export function refuel(turns: number): void {
  fuel.value = Math.min(turns, FUEL_MAX);
}

/** What is left; negative where a core has trapped for want of it. */
export function fuelLeft(): number {
  return fuel.value as number;
}

/** Has all cards report the sites that they pass from here on, without a mutant; gives those of before. */
export function reportSites(): number[] {
  const sites = [...passed];
  passed.clear();
  asked = (asked % ASKED_MAX) + 1;
  active.value = -asked;
  return sites;
}
