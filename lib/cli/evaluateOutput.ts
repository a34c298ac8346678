import { shortNames } from '../bench/names.js';

import type { Evaluation } from '../evaluate/score.js';
import { summaryRows } from '../evaluate/summary.js';
import { csvLine } from '../text/csv.js';
import { percent } from '../text/units.js';
import { printable, table, wrapped } from './text.js';

/** What `evaluate --format` takes. */
export const EVALUATION_FORMATS = ['text', 'json', 'csv'] as const;

/** The evaluations as they are printed, on a terminal of so many columns. */
export function evaluationOutput(
  format: (typeof EVALUATION_FORMATS)[number],
  evaluations: readonly Evaluation[],
  columns: number,
): string {
  if (format === 'json') return evaluations.map(jsonLine).join('\n');
  return format === 'csv' ? csvText(evaluations) : evaluationText(evaluations, columns);
}

const CSV_FIELDS = ['model', 'precision', 'images', 'top1', 'top5', 'ece', 'classMean', 'imagesPerSecond'] as const;

/** A line for each model, with the accuracy of each class. */
function csvText(evaluations: readonly Evaluation[]): string {
  const labels = evaluations[0]?.labels ?? [];
  return [
    csvLine([...CSV_FIELDS, ...labels]),
    ...evaluations.map((evaluation) =>
      csvLine([...CSV_FIELDS.map((field) => evaluation[field]), ...labels.map((label) => evaluation.perClass[label])]),
    ),
  ].join('\n');
}

/** One evaluation as `--json` prints it; accuracies are fractions, null for a class without images. */
export function jsonLine(evaluation: Evaluation): string {
  const { model, precision, images, top1, top5, ece, classMean, rejection } = evaluation;
  const { perClass, confusion, imagesPerSecond, agreement } = evaluation;
  const compared = Object.keys(agreement).length > 0 ? { agreement } : {};
  return JSON.stringify({
    model,
    precision,
    images,
    top1,
    top5,
    ece,
    classMean,
    rejection,
    perClass,
    confusion,
    imagesPerSecond,
    ...compared,
  });
}

/** The evaluations as tables for a terminal. */
export function evaluationText(evaluations: readonly Evaluation[], width = Number.POSITIVE_INFINITY): string {
  const columns = (rows: readonly (readonly string[])[]): string => printedTable(rows, width);
  const shorten = shortNames(evaluations.map(({ model }) => model));
  const sections = [
    columns(summaryRows(evaluations, shorten)),
    columns([
      ['top-1 by class', ...evaluations.map(({ model }) => shorten(model))],
      ...evaluations[0]!.labels.map((label) => [
        label,
        ...evaluations.map(({ perClass }) => percent(perClass[label] ?? null)),
      ]),
    ]),
  ];
  if (evaluations.length > 1) {
    sections.push(
      columns([
        ['agreement', ...evaluations.map(({ model }) => shorten(model))],
        ...evaluations.map(({ model, agreement }) => [
          shorten(model),
          ...evaluations.map((other) => percent(agreement[other.model] ?? 1)),
        ]),
      ]),
    );
  }
  for (const { model, labels, confusion } of evaluations) {
    const worst = confusion
      .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
      .filter(({ label, predicted, count }) => label !== predicted && count > 0)
      .sort((a, b) => b.count - a.count)
      .slice(0, 5)
      .map(({ label, predicted, count }) => `${labels[label]} as ${labels[predicted]} ${count}`);
    if (worst.length > 0) {
      sections.push(wrapped(printable(`most confused by ${shorten(model)}: ${worst.join(', ')}`), width).join('\n'));
    }
  }
  return sections.join('\n\n');
}

/** The first column to the left, the others to the right. */
function printedTable(rows: readonly (readonly string[])[], width: number): string {
  const numbers = (rows[0] ?? []).map((_, column) => column).slice(1);
  return table(
    rows.map((row) => row.map(printable)),
    numbers,
    width,
  ).join('\n');
}
