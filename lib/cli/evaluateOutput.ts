import { shortNames } from '../bench/names.js';
import { summaryRows } from '../evaluate/report.js';
import type { Evaluation } from '../evaluate/score.js';
import { percent } from '../text/units.js';
import { alignColumns, printable } from './text.js';

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
export function evaluationText(evaluations: readonly Evaluation[]): string {
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
    if (worst.length > 0) sections.push(`most confused by ${shorten(model)}: ${worst.join(', ')}`);
  }
  return sections.join('\n\n');
}

/** The first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string {
  const numbers = (rows[0] ?? []).map((_, column) => column).slice(1);
  return alignColumns(
    rows.map((row) => row.map(printable)),
    numbers,
  ).join('\n');
}
