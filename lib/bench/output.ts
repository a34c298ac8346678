import { csvLine } from '../text/csv.js';
import { type BenchmarkResult, type BenchRow, type Comparison, rowName } from './benchmark.js';
import type { Environment } from './environment.js';
import type { Profile } from './profile.js';

/** What `--format` takes. */
export const BENCH_FORMATS = ['md', 'csv', 'json', 'jsonl'] as const;
export type BenchFormat = (typeof BENCH_FORMATS)[number];

const MEBIBYTE = 2 ** 20;

/**
 * The rows as text: `md` for people (with the machine, the comparisons and the profiles), `csv` without samples,
 * `json` as one array of rows, `jsonl` as one row a line.
 */
export function formatRows(format: BenchFormat, result: BenchmarkResult, environment: Environment): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(result.rows, null, 1)}\n`;
    case 'jsonl':
      return result.rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    case 'csv':
      return csv(result.rows);
    case 'md':
      return markdown(result, environment);
  }
}

const CSV_FIELDS = [
  'engine',
  'model',
  'precision',
  'threads',
  'batch',
  'initMs',
  'firstMs',
  'medianMs',
  'p90Ms',
  'p99Ms',
  'minMs',
  'stddevMs',
  'rssDeltaBytes',
  'fileBytes',
  'imagesPerSecond',
  'trials',
] as const;
const CSV_ENVIRONMENT = [
  'date',
  'cpu',
  'features',
  'cores',
  'governor',
  'temperature',
  'platform',
  'kernel',
  'node',
  'version',
  'commit',
  'xnnpack',
] as const;

function csv(rows: readonly BenchRow[]): string {
  const lines = [
    csvLine([...CSV_FIELDS, ...CSV_ENVIRONMENT]),
    ...rows.map((row) =>
      csvLine([...CSV_FIELDS.map((field) => row[field]), ...CSV_ENVIRONMENT.map((field) => row.environment[field])]),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function markdown({ rows }: BenchmarkResult, environment: Environment): string {
  const sections = [environmentLines(environment)];
  if (rows.length > 0) sections.push(mainTable(rows));
  const notes = rows.flatMap(rowNotes);
  if (notes.length > 0) sections.push(notes.map((note) => `- ${note}`).join('\n'));
  for (const row of rows) {
    if (row.profile !== undefined) sections.push(profileText(rowName(row), row.profile));
  }
  return `${sections.join('\n\n')}\n`;
}

function environmentLines(environment: Environment): string {
  const { cpu, features, cores, governor, temperature, node, platform, kernel } = environment;
  const { version, commit, xnnpack, peers, date } = environment;
  const shown = [
    `${cpu || 'unknown CPU'} (${features.join(', ')}), ${cores} core${cores === 1 ? '' : 's'}`,
    ...(governor === null ? [] : [`governor ${governor}`]),
    ...(temperature === null ? [] : [`${temperature.toFixed(0)} °C`]),
    `${platform} ${kernel}, Node ${node}`,
    `neonsense ${version}${commit === null ? '' : ` at ${commit.slice(0, 12)}`}`,
    ...(xnnpack === null ? [] : [`XNNPACK ${xnnpack.slice(0, 12)}`]),
    ...Object.entries(peers ?? {}).map(([name, peer]) => `${name} ${peer}`),
    date,
  ];
  return shown.join('; ');
}

function mainTable(rows: readonly BenchRow[]): string {
  const milliseconds = (value: number): string => value.toFixed(value < 10 ? 3 : 1);
  return table(
    [
      'engine',
      'model',
      'precision',
      'threads',
      'batch',
      'init ms',
      'first ms',
      'median ms',
      'p90',
      'p99',
      'min',
      'sd',
      'images/s',
      'RSS MiB',
      'file MiB',
      'against first',
    ],
    rows.map((row) => [
      row.engine,
      row.model,
      row.precision,
      String(row.threads),
      String(row.batch),
      row.initMs.toFixed(1),
      milliseconds(row.firstMs),
      milliseconds(row.medianMs),
      milliseconds(row.p90Ms),
      milliseconds(row.p99Ms),
      milliseconds(row.minMs),
      milliseconds(row.stddevMs),
      row.imagesPerSecond.toFixed(0),
      (row.rssDeltaBytes / MEBIBYTE).toFixed(1),
      (row.fileBytes / MEBIBYTE).toFixed(2),
      row.comparison === undefined ? '-' : againstFirst(row.comparison),
    ]),
    3,
  );
}

/** The ratio, marked where it may be chance. */
function againstFirst({ ratio, significant }: Comparison): string {
  return `${ratio.toFixed(2)}x${significant ? '' : ' ?'}`;
}

function rowNotes(row: BenchRow): string[] {
  const notes: string[] = [];
  const { comparison, logitsDifference } = row;
  if (comparison !== undefined) {
    const { engine, model, precision, ratio, low, high, significant } = comparison;
    const direction = ratio < 1 ? 'faster' : 'slower';
    const verdict = significant ? `significantly ${direction} than` : 'not significantly different from';
    notes.push(
      `${rowName(row)} is ${verdict} ${engine} ${model} ${precision}: ` +
        `${ratio.toFixed(3)}x the time, 95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}`,
    );
  }
  if (logitsDifference !== undefined) {
    const { maxAbs, range, sameTop1 } = logitsDifference;
    notes.push(
      `${rowName(row)}: its logits differ from ours by at most ${maxAbs.toExponential(1)} ` +
        `(${(maxAbs / range).toExponential(1)} of their range), ${sameTop1 ? 'same' : 'different'} top-1`,
    );
  }
  return notes;
}

function profileText(title: string, { layers, operators, totalMs, macs }: Profile): string {
  const cells = ({ ms, share, macs: count, gmacsPerSecond }: (typeof operators)[number]): string[] => [
    ms.toFixed(3),
    `${(100 * share).toFixed(1)} %`,
    count === 0 ? '-' : (count / 1e6).toFixed(2),
    count === 0 ? '-' : gmacsPerSecond.toFixed(1),
  ];
  const columns = ['ms', 'share', 'M MACs', 'GMAC/s'];
  return [
    `### Profile of ${title}`,
    `${totalMs.toFixed(3)} ms an image in operators, ${(macs / 1e6).toFixed(1)} M MACs` +
      (totalMs === 0 ? '' : `, ${(macs / totalMs / 1e6).toFixed(1)} GMAC/s`),
    table(
      ['operator', ...columns],
      operators.map((line) => [line.name, ...cells(line)]),
      1,
    ),
    table(
      ['layer', 'operator', ...columns],
      layers.map((line) => [line.name || '(rewritten)', line.operator, ...cells(line)]),
      2,
    ),
  ].join('\n\n');
}

/** A Markdown table that also lines up as plain text; the first `left` columns to the left, the others to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], left: number): string {
  const clean = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = header.map((_, column) => Math.max(3, ...clean.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at < left ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join(' | ')} |`;
  const rules = widths.map((width, at) => (at < left ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`));
  return [line(clean[0]!), `|${rules.join('|')}|`, ...clean.slice(1).map(line)].join('\n');
}
