import { type Confusion, classScores } from '../numbers/classScores.js';
import { type ScoredPictures, scoredImages } from '../numbers/scoredImages.js';
import { escapeHtml, htmlFigure, htmlTable } from '../text/html.js';
import { grouped, percent } from '../text/units.js';
import { type CoverageSeries, confusionChart, coverageChart, type Reliability, reliabilityChart } from './charts.js';
import { pngUrl } from './png.js';

/** A picture that was taken for another class. */
export interface PicturedMistake {
  /** Position in the data set. */
  readonly index: number;
  /** Path of its file below the data set's, where it has one of its own. */
  readonly file?: string | undefined;
  readonly label: string;
  readonly predicted: string;
  /** Probability of the wrong class. */
  readonly confidence: number;
  /** The picture, small. */
  readonly thumbnail: { readonly data: Uint8Array; readonly width: number; readonly height: number };
}

/** How a model did on labelled pictures, as `evaluate` says it. */
export interface ScoredModel extends Confusion, ScoredPictures {
  readonly calibration: readonly Reliability[];
  /** Expected calibration error, a share. */
  readonly ece: number;
  readonly coverage: CoverageSeries['points'];
  readonly mistakes?: readonly PicturedMistake[] | undefined;
}

/** Confusion, reliability, scores by class and mistakes of one model, below a heading. */
export function scoredSection(heading: string, scored: ScoredModel): string {
  const { labels, confusion, calibration, ece, mistakes } = scored;
  const scores = classScores(scored);
  const mean = (of: 'precision' | 'recall' | 'f1'): string => {
    const known = scores.flatMap((score) => score[of] ?? []);
    return percent(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length);
  };
  return [
    `<section><h2>${escapeHtml(heading)}</h2><div class="plots">`,
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
        ['mean of classes', grouped(scoredImages(scored)), mean('precision'), mean('recall'), mean('f1')],
      ],
    ),
    mistakes === undefined ? '' : mistakeGrid(mistakes),
    '</section>',
  ].join('');
}

function mistakeGrid(mistakes: readonly PicturedMistake[]): string {
  if (mistakes.length === 0) return '<h3>Mistakes</h3><p>None.</p>';
  const items = mistakes.map(({ index, file, label, predicted, confidence, thumbnail }) => {
    const said = `${label} named ${predicted}`;
    return (
      `<li><img src="${pngUrl(thumbnail)}" alt="${escapeHtml(said)}" width="${thumbnail.width}" height="${thumbnail.height}">` +
      `<b>${escapeHtml(predicted)}</b> ${percent(confidence)}<br>is ${escapeHtml(label)}<br>${escapeHtml(file ?? `no. ${index}`)}</li>`
    );
  });
  return `<h3>The mistakes it was surest of</h3><ul class="grid">${items.join('')}</ul>`;
}

/** Accuracy against coverage, with what that is. */
export function coverageFigure(series: readonly CoverageSeries[]): string {
  return htmlFigure(
    coverageChart(series),
    'What is right of the answers that are given, where only those are given that the model is sure enough of: ' +
      'to the right all pictures are answered, to the left only the surest.',
  );
}

/** What stands below a table with McNemar's test; `also` goes on in its last sentence. */
export function mcNemarNote(also: string): string {
  return (
    '<p class="note">McNemar’s exact test looks at the pictures that only one of the two names right. A small p says ' +
    `that chance alone would hardly share them out as unequally; ${also}.</p>`
  );
}
