// SPDX-License-Identifier: Apache-2.0
// What the program's texts name exists: every option in a text of src/ is one of the verbs that the text belongs to, every
// command line in a help text can be given so, and a mistake in an option is called by that option.
import type { Command } from 'commander';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { makeProgram } from '../../src/cli/program.ts';
import { OPTION_OF, resolveServeConfig } from '../../src/cli/serve/config.ts';
import { resolveProfile } from '../../src/device/profile.ts';
import { importsBelow } from '../architecture/layers.ts';
import { readRepoFile, repoFiles } from '../support/repo.ts';

const OPTION = /(?<![\w-])--[a-z][a-z-]*/g;
/** Options of npm, tcpdump and others that are named with their program, not with ours, or handed to it alone. */
const OTHER_PROGRAMS =
  /\b(?:npm|tcpdump|ethtool|editcap|text2pcap|tshark|qemu-system-x86_64|lspci -F)\b|^--(?:names-only|pdeathsig|strip-components)\b/;

const program = makeProgram();
const imports = importsBelow('src');

function verbs(command: Command, name = ''): { readonly name: string; readonly command: Command }[] {
  return command.commands.flatMap((verb) => {
    const full = `${name} ${verb.name()}`.trim();
    return [{ name: full, command: verb }, ...verbs(verb, full)];
  });
}

function optionsOf(command: Command): readonly string[] {
  const below = command.commands.flatMap(optionsOf);
  return ['--help', ...command.options.map(({ long }) => long!), ...below];
}

/** Files that a file of src/ is made of. */
function reached(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const { from, to } of imports) if (from === file) reached(to, found);
  return found;
}

/** The file of a verb below src/cli: traffic/trace.ts for `trace`, bench/admin.ts for `bench admin`. */
function fileOf(verb: string): string {
  return repoFiles('src/cli', '.ts').find((file) => file.endsWith(`/${verb}.ts`))!;
}

/** Options by the file of the verb; a file of several verbs has those of all. */
const OPTIONS_BY_FILE = new Map(
  program.commands.flatMap((verb) => {
    const parts = verb.name() === 'bench' ? verb.commands : [verb];
    return parts.map((part): [string, readonly string[]] => [
      fileOf(verb === part ? verb.name() : `${verb.name()}/${part.name()}`),
      optionsOf(part),
    ]);
  }),
);

/** Options that a text of this file may name: those of the verbs that the file belongs to, and of those that it runs. */
function optionsAt(file: string): ReadonlySet<string> {
  if (file === 'src/cli/program.ts') return new Set(optionsOf(program));
  const runs = reached(file);
  const users = [...OPTIONS_BY_FILE].filter(([verb]) => runs.has(verb) || reached(verb).has(file));
  return new Set((users.length > 0 ? users : [...OPTIONS_BY_FILE]).flatMap(([, options]) => options));
}

/** Texts of a source file, without its comments. */
function textsOf(file: string): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node)) texts.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readRepoFile(file), ts.ScriptTarget.Latest, true));
  return texts;
}

/** The style sheet of the report has custom properties; what the layout generates says how it is made anew. */
const files = repoFiles('src', '.ts')
  .filter((file) => !file.startsWith('src/cli/bench/html/') && !file.startsWith('src/layout/'))
  .map((file) => ({ file, texts: textsOf(file) }));
const texts = files.flatMap((one) => one.texts);

describe('a text of the program', () => {
  it('names options of the verbs that it belongs to', () => {
    const named = files.flatMap(({ file, texts: own }) =>
      own
        .flatMap((text) => text.split('\n'))
        .filter((line) => !OTHER_PROGRAMS.test(line) && !/\bvirtfn /.test(line)) // command lines: below
        .flatMap((line) => line.match(OPTION) ?? [])
        .map((option) => ({ file, option })),
    );
    expect(named.length).toBeGreaterThan(100);
    const known = new Map(files.map(({ file }) => [file, optionsAt(file)]));
    expect(named.filter(({ file, option }) => !known.get(file)!.has(option))).toEqual([]);
  });

  it('shows command lines whose verb has their options', () => {
    const known = verbs(program).sort((one, other) => other.name.length - one.name.length);
    const lines = texts
      .flatMap((text) => text.split(/\n|&&|\|/))
      .flatMap((line) => /\bvirtfn ([a-z][^(]*)$/.exec(line)?.[1] ?? []);
    expect(lines.length).toBeGreaterThan(40);
    for (const line of lines) {
      const verb = known.find(({ name }) => line === name || line.startsWith(`${name} `));
      const options = optionsOf(verb?.command ?? program);
      expect({ line, missing: (line.match(OPTION) ?? []).filter((option) => !options.includes(option)) }).toEqual({
        line,
        missing: [],
      });
    }
  });

  it('names scripts of package.json only where another way stands beside them', () => {
    for (const text of texts.filter((one) => one.includes('npm run')))
      expect(text).toMatch(/in a checkout .*; in a bundle /);
  });
});

const UML_SLOTS = '--uml: the kernel finds PF and VFs as the hardware shows them, in slots';

describe('a mistake in an option of serve', () => {
  const serve = verbs(program).find(({ name }) => name === 'serve')!.command;

  // a value that no setting takes
  it.each(serve.options.map((option) => option.attributeName()))('is called by its name: %s', (option) => {
    const setting = Object.entries(OPTION_OF).find(([, name]) => name === option)?.[0] ?? option;
    if (['config', 'json', 'help'].includes(setting)) return; // no settings
    expect(() => resolveServeConfig({ [setting]: Symbol.iterator }, null, {})).toThrow(
      serve.options.find((one) => one.attributeName() === option)!.long!,
    );
  });

  it.each([
    [{ profile: { 'link.tag': 1 } }, '--set: link.tag is no parameter of a profile; did you mean link.tags?'],
    [{ queuePairs: 9 }, '--pairs: 9: '],
    [{ sockets: { vf9: '/tmp/vf9.sock' } }, '--socket vf9: that function is not served'],
    [{ mac: '00:00:00:00:00:00' }, '--mac: 00:00:00:00:00:00: a unicast address is needed, say 02:76:66:00:00:00'],
    [{ withoutFeatures: [32] }, '--without-feature: 32: VIRTIO_F_VERSION_1 is always offered; leave 32 out'],
    [
      { withoutFeatures: [37] },
      "--without-feature: 37: the PF's driver enables VFs by way of VIRTIO_F_SR_IOV; leave 37 out",
    ],
    [{ transitional: ['VF1'] }, '--transitional: VF1: names as vf1,vf3 are needed, or none for all VFs'],
    [{ legacyOnly: ['vf1', ''] }, '--legacy-only: vf1,: names as vf1,vf3 are needed, or none for all VFs'],
    [{ legacyOnly: ['vf2'] }, '--legacy-only: vf2 does not exist; --vfs is 1'],
    [{ raw: true, legacyOnly: true }, "--raw: the hardware's own view is of all functions; leave --legacy-only out"],
    [{ uml: true, raw: true }, `${UML_SLOTS}; leave --raw out`],
    [{ uml: true, pf: true }, `${UML_SLOTS}; leave --pf out`],
    [{ uml: true, transitional: true }, `${UML_SLOTS}; leave --transitional out`],
    [{ uml: true, legacyOnly: true }, `${UML_SLOTS}; leave --legacy-only out`],
    [{ uml: true, vfStride: 8 }, `${UML_SLOTS}; leave --vf-stride out`],
    [{ uml: true, vfs: 8 }, '--vfs: 8: User Mode Linux has 8 slots, one of them for the PF; take 7 or fewer'],
    [{ sockets: { vf1: '' } }, '--socket vf1: "": a path is needed, say vf1=vf1.sock'],
    [{ wire: 'foo' }, '--wire: foo: none, loopback, '],
    [{ mode: 'fast' }, '--mode: fast: functional or timed is needed'],
    // routing ids 0x0100 + 0xffff + 0xffff are far beyond 0xffff, wherever the PF is; no option of serve moves it
    [{ vfs: 2, firstVfOffset: 0xffff, vfStride: 0xffff }, '--vf-stride: 65535: '],
  ])('names the option, and a remedy that there is: %j', (settings, text) => {
    expect(() => resolveServeConfig(settings, null, {})).toThrow(text);
  });
});

describe('a parameter that there is not', () => {
  it.each([
    ['link.tag', 'did you mean link.tags?'],
    ['read_latency', 'did you mean host.read_latency_ns?'],
    ['mps', 'did you mean link.mps_bytes?'],
    ['nothing.of.it', 'virtfn profiles fpga-gen3x8-250mhz lists them'],
  ])('leads to those that there are: %s', (name, text) => {
    expect(() => resolveProfile('timed', { [name]: 1 })).toThrow(text);
  });
});
