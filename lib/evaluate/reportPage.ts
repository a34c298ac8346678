import { mcNemar } from '../numbers/mcNemar.js';
import {
  confusionChart,
  coverageChart,
  type Measured,
  reliabilityChart,
  scatterChart,
  seriesKey,
} from '../report/charts.js';
import { pngUrl } from '../report/png.js';
import { escapeHtml, htmlFacts, htmlFigure, htmlPage, htmlTable, htmlVerdict, minuteOf } from '../text/html.js';
import { grouped, mebibytes, percent, probabilityText } from '../text/units.js';
import type { Mistake } from './mistakes.js';
import type { EvaluationReportOptions } from './report.js';
import type { Evaluation } from './score.js';
import { accuracyInterval, classScores, scoredImages, summaryRows, verdictOf } from './summary.js';

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
    htmlFigure(
      coverageChart(evaluations.map(({ model, coverage }) => ({ name: model, points: coverage }))),
      'What is right of the answers that are given, where only those are given that the model is sure enough of: ' +
        'to the right all pictures are answered, to the left only the surest.',
    ),
    '</div>',
    ...(isSeveral ? [againstEachOther(evaluations)] : []),
    ...evaluations.map((evaluation) => section(evaluation, isSeveral)),
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
    '<p class="note">McNemar’s exact test looks at the pictures that only one of the two names right. A small p says that ' +
    'chance alone would hardly share them out as unequally; at 0.05 and above the two may be equally good.</p>'
  );
}

function section(evaluation: Evaluation, isNamed: boolean): string {
  const { model, labels, confusion, calibration, ece, mistakes } = evaluation;
  const scores = classScores(evaluation);
  const mean = (of: 'precision' | 'recall' | 'f1'): string => {
    const known = scores.flatMap((score) => score[of] ?? []);
    return percent(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length);
  };
  return [
    `<section><h2>${isNamed ? escapeHtml(model) : 'Classes'}</h2><div class="plots">`,
    htmlFigure(
      confusionChart(labels, confusion),
      'Rows are the right class, columns the class that was named, in pictures; the shade is the share of the row.',
    ),
    htmlFigure(
      reliabilityChart(calibration),
      `On the dashed line, probabilities can be taken at their word. Expected calibration error ${percent(ece)}. ` +
        'Below, how many pictures each bar stands on.',
    ),
    '</div>',
    htmlTable(
      ['class', 'pictures', 'precision', 'recall', 'F1'],
      [
        ...scores.map(({ label, images, precision, recall, f1 }) => [
          label,
          grouped(images),
          ...[precision, recall, f1].map(percent),
        ]),
        ['mean of classes', grouped(scoredImages(evaluation)), mean('precision'), mean('recall'), mean('f1')],
      ],
    ),
    mistakes === undefined ? '' : mistakeGrid(mistakes),
    '</section>',
  ].join('');
}

function mistakeGrid(mistakes: readonly Mistake[]): string {
  if (mistakes.length === 0) return '<h3>Mistakes</h3><p>None.</p>';
  const items = mistakes.map(({ index, label, predicted, confidence, thumbnail }) => {
    const said = `${label} named ${predicted}`;
    return (
      `<li><img src="${pngUrl(thumbnail)}" alt="${escapeHtml(said)}" width="${thumbnail.width}" height="${thumbnail.height}">` +
      `<b>${escapeHtml(predicted)}</b> ${percent(confidence)}<br>is ${escapeHtml(label)}, no. ${index}</li>`
    );
  });
  return `<h3>The mistakes it was surest of</h3><ul class="grid">${items.join('')}</ul>`;
}
