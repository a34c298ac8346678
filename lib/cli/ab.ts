import type { Command } from 'commander';
import { type AbReport, abReport, type Share } from '../serve/abReport.js';
import { percent, signedPercent } from '../text/units.js';
import { note } from './notes.js';
import { alignColumns, printable } from './text.js';
import { addFormats } from './vocabulary.js';

/** Kinds of disagreement listed for people; `--json` has all. */
const LISTED = 10;

/** Adds `neonsense ab report LOG`. */
export function register(program: Command): void {
  const ab = program.command('ab').description('two models on the same pictures: what `serve --shadow-log` wrote');
  const command = ab
    .command('report')
    .description('how often the two agree, what each rejects, how long each takes, with intervals')
    .argument('<log>', 'the file that `neonsense serve --shadow-log` appends to')
    .addHelpText('after', '\nExample:\n  neonsense ab report ab.jsonl');
  addFormats(command, ['text', 'json']).action(run);
}

async function run(log: string, options: { readonly json?: boolean }): Promise<void> {
  const report = await abReport(log);
  process.stdout.write(`${options.json === true ? JSON.stringify(report) : reportText(report)}\n`);
  if (report.skipped > 0) note(`${report.skipped} lines are no records and do not count`);
}

/** The report for people. */
export function reportText({
  models,
  pictures,
  agreement,
  rejected,
  rejectedDifference,
  ms,
  disagreements,
}: AbReport): string {
  const rows = [
    ['', ...models.map(printable)],
    ['rejected', percent(rejected[0]), percent(rejected[1])],
    ['median in the network', ...ms.map((value) => `${value.toFixed(2)} ms`)],
  ];
  const interval = ({ interval: [low, high] }: Share, text: (share: number) => string): string =>
    `95 % interval ${text(low)} to ${text(high)}`;
  const text = [
    `${pictures} pictures seen by both`,
    ...alignColumns(rows, [1, 2]),
    `agree on ${percent(agreement.value)} (${interval(agreement, percent)})`,
    `rejected, second minus first: ${signedPercent(rejectedDifference.value)} (${interval(rejectedDifference, signedPercent)})`,
  ];
  if (disagreements.length > 0) text.push('they disagree about');
  for (const { first, second, pictures: count } of disagreements.slice(0, LISTED)) {
    text.push(`  ${printable(first)} or ${printable(second)}: ${count}`);
  }
  return text.join('\n');
}
