import { mcNemar } from '../numbers/mcNemar.js';
import { type Measured, scatterChart, seriesKey } from '../report/charts.js';
import { coverageFigure, mcNemarNote, scoredSection } from '../report/scored.js';
import { htmlFacts, htmlFigure, htmlPage, htmlTable, htmlVerdict, minuteOf } from '../text/html.js';
import { grouped, mebibytes, percent, probabilityText } from '../text/units.js';
import type { EvaluationReportOptions } from './report.js';
import type { Evaluation } from './score.js';
import { accuracyInterval, summaryRows, verdictOf } from './summary.js';

/** The page of `evaluationReport`. */
export function evaluationPage(
  title: string,
  evaluations: readonly Evaluation[],
  { date = new Date().toISOString(), environment = {}, bytes = {} }: EvaluationReportOptions,
): string {
  const itself = (model: string): string => model;
  const [heads, ...rows] = summaryRows(evaluations, itself);
  const isSeveral = evaluations.length > 1;
  const intervals = evaluations.map((evaluation) => accuracyInterval(evaluation).map(percent).join(' to '));
  return htmlPage(title, [
    htmlVerdict(verdictOf(evaluations, itself)),
    htmlFacts({ measured: minuteOf(date), ...environment }),
    htmlTable(
      [...heads!.slice(0, 4), '95 % interval', ...heads!.slice(4), ...(hasSizes(evaluations, bytes) ? ['file'] : [])],
      rows.map((row, at) => [
        ...row.slice(0, 4),
        intervals[at]!,
        ...row.slice(4),
        ...(hasSizes(evaluations, bytes) ? [mebibytes(bytes[evaluations[at]!.model]!)] : []),
      ]),
    ),
    isSeveral ? seriesKey(evaluations.map(({ model }) => model)) : '',
    '<div class="plots">',
    htmlFigure(
      scatterChart(
        measured(evaluations, ({ imagesPerSecond }) => (imagesPerSecond > 0 ? 1000 / imagesPerSecond : 0)),
        'ms a picture',
        'top-1',
      ),
      'Accuracy against the time one picture takes in the network. Whiskers are 95 % intervals (Wilson).',
    ),
    hasSizes(evaluations, bytes)
      ? htmlFigure(
          scatterChart(
            measured(evaluations, ({ model }) => bytes[model]! / 2 ** 20),
            'file, MiB',
            'top-1',
          ),
          'Accuracy against the size of the file.',
        )
      : '',
    coverageFigure(evaluations.map(({ model, coverage }) => ({ name: model, points: coverage }))),
    '</div>',
    ...(isSeveral ? [againstEachOther(evaluations)] : []),
    ...evaluations.map((evaluation) => scoredSection(isSeveral ? evaluation.model : 'Classes', evaluation)),
  ]);
}

function hasSizes(evaluations: readonly Evaluation[], bytes: Readonly<Record<string, number>>): boolean {
  return evaluations.every(({ model }) => bytes[model] !== undefined);
}

function measured(evaluations: readonly Evaluation[], cost: (evaluation: Evaluation) => number): Measured[] {
  return evaluations.map((evaluation) => {
    const [low, high] = accuracyInterval(evaluation);
    return { name: evaluation.model, x: cost(evaluation), y: evaluation.top1, low, high };
  });
}

/** Each pair of models on the same pictures. */
function againstEachOther(evaluations: readonly Evaluation[]): string {
  const pairs = evaluations.flatMap((first, at) => evaluations.slice(at + 1).map((second) => [first, second] as const));
  const rows = pairs.map(([first, second]) => {
    const [one, other] = [first.rightAlone[second.model] ?? 0, second.rightAlone[first.model] ?? 0];
    const agreement = percent(first.agreement[second.model] ?? 1);
    return [
      `${first.model} and ${second.model}`,
      agreement,
      grouped(one),
      grouped(other),
      probabilityText(mcNemar(one, other)),
    ];
  });
  return (
    `<h2>Against each other</h2>${htmlTable(['models', 'same class', 'only first right', 'only second right', 'McNemar'], rows)}` +
    mcNemarNote('at 0.05 and above the two may be equally good')
  );
}
