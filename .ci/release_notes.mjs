// SPDX-License-Identifier: Apache-2.0
// What a release is checked by before anything is built: `node .ci/release_notes.mjs v1.2.3` prints the section of
// CHANGELOG.md, or says why the tag cannot be released, with exit code 1: it is not the version of package.json, or
// nothing is written about it. Both files are those of the working directory.
import { readFileSync } from 'node:fs';

const [tag = ''] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
if (tag !== `v${version}`) refuse(`tag '${tag}': package.json has version ${version}, whose tag is v${version}`);

const [, ...sections] = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m);
const notes = sections.flatMap((section) => {
  const [heading, ...lines] = section.split('\n');
  // a date may follow: `## 1.2.3 (2026-11-30)`
  return heading.split(' ')[0] === version ? [lines.join('\n').trim()] : [];
});
if (notes.length !== 1) refuse(`CHANGELOG.md has ${notes.length} sections '## ${version}', one is needed`);
if (notes[0] === '') refuse(`CHANGELOG.md says nothing about ${version}`);
console.log(notes[0]);

function refuse(why) {
  console.error(`release: ${why}`);
  process.exit(1);
}
