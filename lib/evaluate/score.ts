import { examined, invalidArgument, NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import type { Pixels } from '../image/pixels.js';
import { numberedLabels } from '../model/import/stateDict.js';
import type { Confidence, Precision, Preprocessing } from '../model/model.js';
import { preprocessingFrom } from '../model/preprocessing.js';
import { preprocess } from '../runtime/preprocess.js';
import type { Dataset, LabelledImage } from './datasets.js';
import { confidenceOf, type Metrics, MetricsAccumulator } from './metrics.js';
import { type Mistake, Mistakes } from './mistakes.js';
import { checkEvaluateOptions } from './options.js';

/** Anything that turns prepared images into logits: a session, or a peer's. */
export interface Predictor {
  readonly name: string;
  readonly precision: Precision;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** How its logits become answers; when absent the softmax is taken as it is and nothing is rejected. */
  readonly confidence?: Confidence | undefined;
  /** `[N, H, W, 3]` in, `[N, classes]` out. */
  run(input: Float32Array): Promise<Float32Array>;
}

/** How far an evaluation has come. */
export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
}

export interface EvaluateOptions {
  /** Images that go through the network at once, 1 by default. */
  readonly batch?: number | undefined;
  /** Keep thumbnails of so many mistakes of each model, the ones it was surest of. None by default. */
  readonly mistakes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Given each picture's logits, in the order of the data set's labels, and its label's index. */
  readonly onLogits?: ((model: string, logits: readonly number[], label: number) => void) | undefined;
}

/** One model's score. */
export interface Evaluation extends Omit<Metrics, 'classAccuracy'> {
  readonly model: string;
  readonly precision: Precision;
  /** Class names, in the order of `confusion`'s rows and columns. */
  readonly labels: readonly string[];
  /** Accuracy of each class, null for a class without images. */
  readonly perClass: Readonly<Record<string, number | null>>;
  /** Share of images on which each other model names the same class. */
  readonly agreement: Readonly<Record<string, number>>;
  /** Images that this model names right and each other model wrong. */
  readonly rightAlone: Readonly<Record<string, number>>;
  /** The mistakes it was surest of, the surest first; only where `options.mistakes` asked for them. */
  readonly mistakes?: readonly Mistake[];
  /** Images per second of inference alone: decoding and preprocessing are not counted. */
  readonly imagesPerSecond: number;
}

/**
 * Scores predictors on one data set. The pictures are read and decoded once and prepared once for each distinct
 * preprocessing; the predictors take turns on each batch, so their `imagesPerSecond` compare.
 * @throws {NeonsenseError} `ERR_DATASET` when a predictor's labels are not the data set's or no picture can be read, ERR_ABORTED,
 *   ERR_INVALID_ARGUMENT
 */
export async function scorePredictors(
  predictors: readonly Predictor[],
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  checkEvaluateOptions(options);
  const checked = examined('models', 'an array of predictors', predictors, () =>
    Array.from(predictors, checkedPredictor),
  );
  checkDataset(dataset);
  return score(checked, dataset, options);
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what is no data set */
export function checkDataset(dataset: Dataset): void {
  const isDataset = examined('dataset', A_DATASET, dataset, () => {
    const { labels, unreadable, images, path } = dataset;
    const isList = Array.isArray(labels) && labels.every((label) => typeof label === 'string');
    return isList && Array.isArray(unreadable) && typeof images === 'function' && typeof path === 'string';
  });
  if (!isDataset) throw invalidArgument('dataset', A_DATASET, dataset);
}

const A_DATASET = 'a data set, as `openDataset` gives it,';

/** Its pictures, looked at: a data set may be the caller's own. */
async function* picturesOf(dataset: Dataset): AsyncGenerator<LabelledImage> {
  const images: unknown = dataset.images();
  const isIterable = examined('dataset', A_DATASET, images, () => Symbol.asyncIterator in Object(images));
  if (!isIterable) throw invalidArgument('dataset', A_DATASET, images);
  for await (const image of images as AsyncIterable<LabelledImage>) {
    const own = examined('dataset', 'pictures { index, pixels, label }', image, () => ({ ...image }));
    const { length } = dataset.labels;
    if (!(Number.isInteger(own.label) && own.label >= 0 && own.label < length)) {
      throw invalidArgument('dataset', `labels from 0 to ${length - 1}`, own.label);
    }
    yield own;
  }
}

function checkedConfidence({ ...confidence }: Confidence, name: string): Confidence {
  const { temperature, rejectBelow = 0 } = confidence;
  if (!(Number.isFinite(temperature) && Number.isFinite(rejectBelow))) {
    throw invalidArgument(`${name}.confidence`, 'a temperature, and a threshold or none,', confidence);
  }
  return confidence;
}

function checkedPredictor({ ...given }: Predictor, index: number): Predictor {
  const name = `models[${index}]`;
  if (typeof given.name !== 'string') throw invalidArgument(`${name}.name`, 'a string', given.name);
  if (typeof given.run !== 'function') throw invalidArgument(`${name}.run`, 'a function', given.run);
  if (!(Array.isArray(given.labels) && given.labels.every((label) => typeof label === 'string')))
    throw invalidArgument(`${name}.labels`, 'an array of names', given.labels);
  const confidence = given.confidence === undefined ? undefined : checkedConfidence(given.confidence, name);
  return { ...given, confidence, preprocessing: preprocessingFrom(given.preprocessing, `${name}.preprocessing`) };
}

async function score(
  predictors: readonly Predictor[],
  dataset: Dataset,
  options: EvaluateOptions,
): Promise<Evaluation[]> {
  const batch = options.batch ?? 1;
  if (predictors.length === 0) throw invalidArgument('models', 'at least one model', predictors);
  const names = predictors.map((predictor) => predictor.name);
  if (new Set(names).size !== names.length) {
    throw invalidArgument('models', 'models of different names', names.join(', '));
  }
  for (const { name, labels } of predictors) requireSameLabels(name, labels, dataset);

  const scores = predictors.map((predictor) => ({
    metrics: new MetricsAccumulator(dataset.labels.length, {
      temperature: predictor.confidence?.temperature,
      rejectBelow: predictor.confidence?.rejectBelow,
      reject: indexOrNone(dataset.labels, predictor.confidence?.rejectClass ?? dataset.rejectClass),
    }),
    // Logits are brought to the data set's order, so that models whose classes are ordered differently can be compared.
    order: classOrder(predictor.labels, dataset.labels),
    predicted: [] as number[],
    milliseconds: 0,
    agreeing: new Array<number>(predictors.length).fill(0),
    rightAlone: new Array<number>(predictors.length).fill(0),
    mistakes: options.mistakes === undefined ? undefined : new Mistakes(options.mistakes),
  }));

  const scoreBatch = async (shown: readonly LabelledImage[]): Promise<void> => {
    const images = shown.map(({ pixels }) => pixels);
    const labels = shown.map(({ label }) => label);
    const inputs = new Map<string, Float32Array>();
    for (const [index, predictor] of predictors.entries()) {
      const key = JSON.stringify(predictor.preprocessing);
      const input = inputs.get(key) ?? prepareBatch(images, predictor.preprocessing);
      inputs.set(key, input);
      const start = performance.now();
      const logits = await predictor.run(input);
      if (!ArrayBuffer.isView(logits) || logits.length !== labels.length * predictor.labels.length) {
        const expected = `[N, classes] logits, ${labels.length * predictor.labels.length} numbers,`;
        throw invalidArgument(`models[${index}].run`, expected, logits);
      }
      const score = scores[index]!;
      score.milliseconds += performance.now() - start;
      const classes = predictor.labels.length;
      score.predicted = labels.map((label, image) => {
        const own = logits.subarray(image * classes, (image + 1) * classes);
        const ordered = score.order.map((at) => (at < 0 ? -Infinity : own[at]!));
        options.onLogits?.(predictor.name, ordered, label);
        const predicted = score.metrics.add(ordered, label);
        if (predicted !== label && score.mistakes !== undefined) {
          const { index: at, file, pixels } = shown[image]!;
          const confidence = confidenceOf(ordered, predictor.confidence?.temperature);
          const [right, wrong] = [dataset.labels[label]!, dataset.labels[predicted]!];
          score.mistakes.add({ index: at, file, label: right, predicted: wrong, confidence }, pixels);
        }
        return predicted;
      });
      throwIfAborted(options.signal);
    }
    for (const score of scores) {
      for (const [other, { predicted }] of scores.entries()) {
        score.agreeing[other]! += predicted.reduce((sum, label, i) => sum + (label === score.predicted[i] ? 1 : 0), 0);
        score.rightAlone[other]! += labels.filter(
          (label, i) => score.predicted[i] === label && predicted[i] !== label,
        ).length;
      }
    }
  };

  let done = 0;
  let images: LabelledImage[] = [];
  const flush = async (): Promise<void> => {
    if (images.length === 0) return;
    await scoreBatch(images);
    done += images.length;
    images = [];
    options.onProgress?.({ done, total: dataset.size });
  };

  throwIfAborted(options.signal);
  for await (const image of picturesOf(dataset)) {
    throwIfAborted(options.signal);
    images.push(image);
    if (images.length === batch) await flush();
  }
  await flush();
  if (done === 0) {
    const first = dataset.unreadable[0];
    throw new NeonsenseError(
      'ERR_DATASET',
      `None of the ${dataset.size} pictures of ${shortened(dataset.path)} could be read` +
        (first === undefined ? '' : `; ${first.file}: ${first.reason}`),
    );
  }

  return predictors.map((predictor, index): Evaluation => {
    const { metrics, milliseconds, agreeing, rightAlone, mistakes } = scores[index]!;
    const { classAccuracy, ...rest } = metrics.result();
    return {
      model: predictor.name,
      precision: predictor.precision,
      ...rest,
      labels: dataset.labels,
      perClass: Object.fromEntries(dataset.labels.map((label, at) => [label, classAccuracy[at]!])),
      agreement: Object.fromEntries(
        names.flatMap((name, other) => (other === index ? [] : [[name, agreeing[other]! / done]])),
      ),
      rightAlone: Object.fromEntries(
        names.flatMap((name, other) => (other === index ? [] : [[name, rightAlone[other]!]])),
      ),
      ...(mistakes === undefined ? {} : { mistakes: mistakes.list }),
      imagesPerSecond: milliseconds === 0 ? 0 : (1000 * done) / milliseconds,
    };
  });
}

function prepareBatch(images: readonly Pixels[], preprocessing: Preprocessing): Float32Array {
  const [height, width] = preprocessing.size;
  const length = height * width * 3;
  const input = new Float32Array(images.length * length);
  images.forEach((pixels, index) => {
    preprocess(pixels, preprocessing, input.subarray(index * length, (index + 1) * length));
  });
  return input;
}

/**
 * @throws {NeonsenseError} `ERR_DATASET`, listing both sets, unless `labels` are the data set's in any order, or as many without names. A model that has
 *   not learnt what is none of the classes may lack that one.
 */
export function requireSameLabels(name: string, labels: readonly string[], dataset: Dataset): void {
  const order = classOrder(labels, dataset.labels);
  const missing = dataset.labels.filter((_, index) => order[index] === -1);
  if (
    labels.length + missing.length === dataset.labels.length &&
    missing.every((label) => label === dataset.rejectClass)
  ) {
    return;
  }
  throw new NeonsenseError(
    'ERR_DATASET',
    `The labels of ${name} are not those the data set ${shortened(dataset.path)} was opened with. ` +
      `Labels of ${name}: ${shortened(labels.join(', '))}. Data set's labels: ${shortened(dataset.labels.join(', '))}`,
  );
}

function indexOrNone(labels: readonly string[], label: string | undefined): number | undefined {
  const index = label === undefined ? -1 : labels.indexOf(label);
  return index < 0 ? undefined : index;
}

/** Where each of the data set's classes is in a model's logits, -1 where it is not. Without names, places count. */
function classOrder(own: readonly string[], wanted: readonly string[]): number[] {
  const unnamed = hasNumberedLabels(own) && own.length === wanted.length;
  return wanted.map((label, index) => (unnamed ? index : own.indexOf(label)));
}

/** Whether a model's labels are those a checkpoint without labels is given: `class 0`, `class 1`, ... */
export function hasNumberedLabels(labels: readonly string[]): boolean {
  return numberedLabels(labels.length).every((label, index) => label === labels[index]);
}
