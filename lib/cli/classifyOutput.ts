import stringWidth from 'string-width';
import type { Classification } from '../classify/classifier.js';
import { csvLine } from '../text/csv.js';
import { grouped } from '../text/units.js';
import { STANDARD_INPUT } from './stdin.js';
import { coloursOf, NO_SCREEN, type Screen } from './terminal.js';
import { alignColumns, bar, printable } from './text.js';

/** What `classify --format` takes. */
export const CLASSIFY_FORMATS = ['text', 'json', 'csv'] as const;

const BAR_CELLS = 24;
/** A label may take so many cells of a line; longer ones push the rest aside. */
const MOST_LABEL_CELLS = 24;
const NONE = 'none of these';

/**
 * One result as `--json` prints it; milliseconds are rounded to the microsecond.
 *
 * @param model The one that answered: a file as it was named, or the name of one that comes with neonsense.
 */
export function jsonLine(
  file: string,
  model: string,
  { predictions, rejected, noneProbability, ms }: Classification,
): string {
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return JSON.stringify({
    file,
    model,
    predictions,
    rejected,
    noneProbability,
    ms: { decode: round(ms.decode), preprocess: round(ms.preprocess), inference: round(ms.inference) },
  });
}

/** Names of the columns of {@link csvRow}, for `topK` predictions. */
export function csvHead(topK: number): string {
  const predictions = Array.from({ length: topK }, (_, index) => index + 1);
  return csvLine([
    ...['file', 'model', 'rejected'],
    ...predictions.flatMap((place) =>
      place === 1 ? ['label', 'probability'] : [`label${place}`, `probability${place}`],
    ),
  ]);
}

/** One result as `--csv` prints it: the labels from the most probable on, also where the model rejects. */
export function csvRow(file: string, model: string, { predictions, rejected }: Classification): string {
  const answers = predictions.flatMap(({ label, probability }) => [label, probability.toFixed(6)]);
  return csvLine([file, model, rejected, ...answers]);
}

/**
 * One result for people.
 *
 * @param model as for {@link jsonLine}
 * @param screen where it is shown: a terminal gets bars and colours
 */
export function resultText(
  file: string,
  model: string,
  { predictions, rejected, noneProbability, ms }: Classification,
  screen: Screen = NO_SCREEN,
): string {
  const { bold, dim, yellow } = coloursOf(screen);
  const rows = predictions.map(({ label, probability }, index) => [
    `  ${index === 0 && !rejected ? bold(printable(label)) : printable(label)}`,
    share(probability),
    screen.isTTY ? bar(probability, BAR_CELLS) : '',
  ]);
  const times = (['decode', 'preprocess', 'inference'] as const).map((stage) => `${stage} ${ms[stage].toFixed(1)} ms`);
  const none = noneProbability === undefined ? 'the model is too unsure' : share(noneProbability);
  const heading = rejected ? `${nameOf(file)}: ${yellow(NONE)}, ${none}` : nameOf(file);
  return [heading, ...alignColumns(rows, [1]), dim(`  ${printable(model)}: ${times.join(', ')}`)].join('\n');
}

/**
 * One result of many for people: how probable, the label, the file, and what else it might be.
 *
 * @param labels of the model, which share a column
 */
export function resultLine(
  file: string,
  labels: readonly string[],
  { predictions: [first, ...others], rejected }: Classification,
  screen: Screen = NO_SCREEN,
): string {
  const { bold, dim, yellow } = coloursOf(screen);
  const widest = Math.max(stringWidth(NONE), ...labels.map((label) => stringWidth(printable(label))));
  const label = rejected || first === undefined ? NONE : printable(first.label);
  const room = ' '.repeat(Math.max(0, Math.min(widest, MOST_LABEL_CELLS) - stringWidth(label)));
  const also = others.map((other) => `${printable(other.label)} ${share(other.probability)}`).join(', ');
  return [
    share(first?.probability ?? 0).padStart('100.0 %'.length),
    (rejected ? yellow : bold)(label) + room,
    nameOf(file) + (also === '' ? '' : `  ${dim(also)}`),
  ].join('  ');
}

/** What many results come to. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #rejected = 0;
  #pictures = 0;
  #first = 0;
  #last = 0;

  get pictures(): number {
    return this.#pictures;
  }

  /** @param now milliseconds on any clock */
  add({ predictions, rejected }: Classification, now: number): void {
    if (this.#pictures === 0) this.#first = now;
    this.#last = now;
    this.#pictures++;
    const label = predictions[0]?.label ?? '';
    if (rejected) this.#rejected++;
    else this.#counts.set(label, (this.#counts.get(label) ?? 0) + 1);
  }

  /**
   * How many pictures of each class, the most frequent first; how many were rejected, and could not be read; and how many
   * a second, from the first one on: that one also loads and warms up. Several are under way at once, so the answers of
   * a few pictures come together, and how long that took says nothing.
   */
  text(model: string, unreadable: number): string[] {
    const rows = [...this.#counts].sort(([, a], [, b]) => b - a);
    const numbers = [
      ...rows.map(([label, count]) => [printable(label), grouped(count)]),
      ...(this.#rejected > 0 ? [[NONE, grouped(this.#rejected)]] : []),
      ...(unreadable > 0 ? [['could not be read', grouped(unreadable)]] : []),
    ];
    const seconds = (this.#last - this.#first) / 1000;
    const rate = seconds >= RATED_SECONDS ? `, ${((this.#pictures - 1) / seconds).toFixed(1)} a second` : '';
    return [
      `${grouped(this.#pictures)} ${this.#pictures === 1 ? 'picture' : 'pictures'} labelled by ${model}${rate}`,
      ...alignColumns(numbers, [1]).map((line) => `  ${line}`),
    ];
  }
}

/** What a rate is counted over at least. */
const RATED_SECONDS = 1;

const share = (probability: number): string => `${(100 * probability).toFixed(1)} %`;

const nameOf = (file: string): string => (file === '-' ? STANDARD_INPUT : printable(file));
