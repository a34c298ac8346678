import { classScores } from '../numbers/classScores.js';
import { wilsonInterval } from '../numbers/interval.js';
import { mcNemar } from '../numbers/mcNemar.js';
import { scoredImages } from '../numbers/scoredImages.js';
import { grouped, percent, probabilityText } from '../text/units.js';
import type { Evaluation } from './score.js';

/**
 * A line for each model under a line of heads. Where one has learnt what is none of its classes, three columns more: the mean of the
 * classes' accuracies, the share of other things that is rejected and the share of the classes' images that is lost to it.
 *
 * @param nameOf how a model is called
 */
export function summaryRows(evaluations: readonly Evaluation[], nameOf: (model: string) => string): string[][] {
  const rejects = evaluations.some(({ rejection }) => rejection !== undefined);
  const heads = [
    ...['model', 'precision', 'images', 'top-1', 'top-5', 'calibration error'],
    ...(rejects ? ['class mean', 'others rejected', 'lost'] : []),
    'images/s',
  ];
  const rows = evaluations.map((evaluation) => [
    nameOf(evaluation.model),
    evaluation.precision,
    String(evaluation.images),
    percent(evaluation.top1),
    percent(evaluation.top5),
    percent(evaluation.ece),
    ...(rejects
      ? [
          percent(evaluation.classMean),
          percent(evaluation.rejection?.rejected ?? null),
          percent(evaluation.rejection?.lost ?? null),
        ]
      : []),
    evaluation.imagesPerSecond.toFixed(0),
  ]);
  return [heads, ...rows];
}

/** The 95 % interval of a model's accuracy. */
export function accuracyInterval(evaluation: Evaluation): readonly [low: number, high: number] {
  const count = scoredImages(evaluation);
  return count === 0 ? [0, 1] : wilsonInterval(evaluation.top1, count);
}

/** Where a difference is held to be more than chance. */
const SIGNIFICANT = 0.05;

/** What an evaluation comes to, in a sentence for each model. */
export function verdictOf(evaluations: readonly Evaluation[], nameOf: (model: string) => string): string {
  const [best, ...others] = [...evaluations].sort((a, b) => b.top1 - a.top1);
  if (best === undefined) return 'Nothing was evaluated.';
  const [low, high] = accuracyInterval(best).map(percent);
  const weakest = classScores(best)
    .filter(({ recall }) => recall !== null)
    .sort((a, b) => a.recall! - b.recall!)[0];
  const sentences = [
    `${nameOf(best.model)} names ${percent(best.top1)} of ${grouped(scoredImages(best))} pictures right ` +
      `(95 % interval ${low} to ${high})${weakest === undefined ? '' : `, ${weakest.label} least often: ${percent(weakest.recall)}`}.`,
    ...others.map((other) => {
      const points = (100 * (best.top1 - other.top1)).toFixed(1);
      if (other.top1 === best.top1) return `${nameOf(other.model)} is as accurate.`;
      const p = mcNemar(best.rightAlone[other.model] ?? 0, other.rightAlone[best.model] ?? 0);
      const judged = p < SIGNIFICANT ? 'more than chance explains' : 'which may be chance';
      return `${nameOf(other.model)} is ${points} points behind, ${judged} (${probabilityText(p)}).`;
    }),
  ];
  return sentences.join(' ');
}
