// SPDX-License-Identifier: Apache-2.0
// The report as one page that needs nothing else, in the style of the program's reports.
import { STYLE } from '../../../src/cli/bench/html/style.ts';
import { STATUSES } from '../results.ts';
import { changeText, WORDS, type Counts, type FileReport, type Report } from './report.ts';

export function reportPage(report: Report): string {
  const { counts, judged, chosen, all, seed, minutes } = report;
  const seen = counts.killed + counts.timeout;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>virtfn: mutants of the core</title>
<style>${STYLE}
table.open td { text-align: left; vertical-align: top; white-space: normal; }
</style>
</head>
<body>
<main>
<h1>Mutants of the core</h1>
<p>Small faults, planted one at a time, and whether a test fails that passes the place.</p>
<p class="soft">seed ${seed} · ${grouped(judged)} of ${grouped(chosen)} chosen mutants, ${grouped(all)} in all · ${minutes} minutes · schema ${report.schema}</p>
<div class="facts">
${fact(`${report.killedPercent} %`, 'killed', 'of those that are not equivalent')}
${fact(grouped(seen), 'noticed', `${grouped(counts.timeout)} of them without end`)}
${fact(grouped(counts.survived), 'survived', 'tests pass the place and accept it')}
${fact(grouped(counts.digest), 'digests alone', 'no test says what is right')}
${fact(grouped(counts.unreached), 'not reached', 'no test passes the place')}
</div>
${revivedSection(report)}
<section>
<h2>By file</h2>
${table(report.files.map(({ file, counts: some }) => [file, some]))}
</section>
<section>
<h2>By kind</h2>
${table(Object.entries(report.kinds).sort(([a], [b]) => (a < b ? -1 : 1)))}
</section>
${report.files.map(fileSection).join('\n')}
${equivalentSection(report)}
</main>
</body>
</html>
`;
}

function fact(value: string, what: string, note: string): string {
  return `<div class="fact"><b>${escape(value)}</b><span>${escape(what)}</span><small>${escape(note)}</small></div>`;
}

function table(rows: readonly (readonly [string, Counts])[]): string {
  const heads = ['', ...STATUSES, 'killed, %'].map((text) => `<th>${text}</th>`).join('');
  const body = rows.map(([name, counts]) => {
    const possible = STATUSES.reduce((sum, status) => sum + counts[status], 0) - counts.equivalent;
    const percent = possible === 0 ? '' : ((100 * (counts.killed + counts.timeout)) / possible).toFixed(1);
    const cells = [name, ...STATUSES.map((status) => String(counts[status])), percent];
    return `<tr>${cells.map((text) => `<td>${escape(text)}</td>`).join('')}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${heads}</tr></thead><tbody>\n${body.join('\n')}\n</tbody></table></div>`;
}

function fileSection({ file, open }: FileReport): string {
  if (open.length === 0) return '';
  const rows = open.map(
    (
      one,
    ) => `<tr><td>${one.line}</td><td><code>${escape(one.source)}</code><br>${escape(one.kind)}: <code>${escape(changeText(one))}</code></td>
<td>${escape(WORDS[one.status])}${one.isCut ? ', more tests would see it' : ''}</td><td><code>${one.id}</code></td></tr>`,
  );
  return `<section>\n<h2>${escape(file)}</h2>\n<table class="open"><tbody>\n${rows.join('\n')}\n</tbody></table>\n</section>`;
}

function revivedSection({ revived }: Report): string {
  if (revived.length === 0) return '';
  const items = revived.map(
    ({ kind, id, mutant }) => `<li><b>${escape(kind)}</b>: <code>${id}</code> <code>${escape(mutant)}</code></li>`,
  );
  return `<section>\n<h2>Must stay killed, and are not</h2>\n<ul class="basis">\n${items.join('\n')}\n</ul>\n</section>`;
}

function equivalentSection({ equivalents }: Report): string {
  if (equivalents.length === 0) return '';
  const items = equivalents.map(
    ({ id, mutant, reason }) => `<li><code>${id}</code> <code>${escape(mutant)}</code>: ${escape(reason)}</li>`,
  );
  return `<section>\n<h2>Equivalent, and why</h2>\n<ul class="basis">\n${items.join('\n')}\n</ul>\n</section>`;
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
