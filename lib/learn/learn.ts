import { availableParallelism } from 'node:os';
import { invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import type { Confidence, Model } from '../model/model.js';
import { readModel } from '../shipped/readModel.js';
import { fitConfidence, type RejectionScore } from './confidence.js';
import { crossValidate, fitHead, type Method, type MethodScore } from './crossValidate.js';
import { extractFeatures } from './extract.js';
import { withHead } from './head.js';
import { accuracyOf, judged } from './judge.js';
import { checkLearnOptions } from './options.js';
import { findPhotos, OTHER } from './photos.js';
import { type Remembered, withRemembered } from './remember.js';
import { selectSamples } from './samples.js';

/** Name of the network whose features are used where nobody names another. */
export const DEFAULT_BASE = 'features-imagenet';

export interface LearnOptions {
  /** The network whose features are used: a model, its file, or the name of one that comes with neonsense. Default: `features-imagenet`. */
  readonly base?: string | Model | undefined;
  /** What an earlier call remembered: its classes are kept, and the folder's are added. Its base must be the same. */
  readonly add?: Remembered | undefined;
  /** Photos taken of each class at most, spread evenly over its files. */
  readonly limit?: number | undefined;
  /** Photos worked on at a time. Default: the cores there are, at most 4. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((what: 'photos' | 'fits', done: number, total: number) => void) | undefined;
}

/** What `learn` gives back. */
export interface LearnResult {
  /** A model like any other: it can be written, compressed, measured and exported. */
  readonly model: Model;
  readonly report: LearnReport;
  /** Features of the photos, so that classes can be added later without them. */
  readonly remembered: Remembered;
}

/** What was learnt, and how well. Every figure is of photos that the head judged was not fitted to. */
export interface LearnReport {
  readonly labels: readonly string[];
  /** Photos of each class, in the order of `labels`. */
  readonly photos: readonly number[];
  readonly method: Method;
  /** Share of the photos of the classes named right by cross-validation; null when a class has a single photo. */
  readonly accuracy: number | null;
  /** 95 % interval of `accuracy`. */
  readonly interval: readonly [low: number, high: number] | null;
  /** Accuracy of the nearest class mean, for comparison. */
  readonly nearestMean: number | null;
  /** `[classes][classes]`: photos of each class (row) by the class they were taken for (column). */
  readonly confusion: readonly (readonly number[])[];
  /** Photos that were taken for another class. */
  readonly wrong: readonly { readonly file: string; readonly label: string; readonly takenFor: string }[];
  readonly confidence: Confidence | null;
  readonly rejection: RejectionScore | null;
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
}

/**
 * Learns the classes of a folder with one folder of photos a class: a linear layer on the features of a network that is
 * left as it is. A folder named `other` holds things that are none of the classes, and teaches the model to reject them.
 *
 * @param folder path of the folder
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_DATASET` for a folder that is not of this form, `ERR_ABORTED`; what
 * `readModel` and `createSession` throw for the base; `ERR_INVALID_ARGUMENT`
 */
export async function learn(folder: string, options: LearnOptions = {}): Promise<LearnResult> {
  if (typeof folder !== 'string' || folder === '') throw invalidArgument('folder', 'the path of a folder', folder);
  const { base: given, add, limit, threads, signal, onProgress } = checkLearnOptions(options);
  const base = await baseModel(given);
  const found = await findPhotos(folder, limit);
  const fresh = await extractFeatures(base, found.photos, found.labels, {
    atOnce: threads ?? Math.min(4, availableParallelism()),
    signal,
    onProgress: (done, total) => onProgress?.('photos', done, total),
  });
  const { labels, samples } = withRemembered(fresh, found.labels, add, identityOf(base));
  if (labels.filter((label) => label !== OTHER).length < (labels.includes(OTHER) ? 1 : 2)) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `Expected at least two folders of photos in ${shortened(folder)}, or one beside \`${OTHER}\`, but found ${labels.join(', ')}`,
    );
  }
  const originals = selectSamples(samples, firstViews(samples.pictures));
  const truth = originals.labels;
  const scores = await crossValidate(originals, {
    signal,
    onProgress: (done, total) => onProgress?.('fits', done, total),
  });
  const best = bestOf(scores, truth.length / labels.length);
  const reject = labels.indexOf(OTHER);
  const rejectClass = reject < 0 ? undefined : reject;
  const fitted = best === undefined ? undefined : fitConfidence(best.logits, truth, labels, rejectClass);
  const method = best?.method ?? { name: 'nearest-mean' };
  const head = await fitHead(samples, method, { sampleWeights: viewWeights(samples.pictures), signal });
  const report: LearnReport = {
    labels,
    photos: labels.map((_, label) => truth.reduce((count, of) => count + (of === label ? 1 : 0), 0)),
    method,
    ...judged(best, truth, labels, samples.files, rejectClass),
    nearestMean: accuracyOf(
      scores.find(({ method: { name } }) => name === 'nearest-mean'),
      truth,
      rejectClass,
    ),
    confidence: fitted?.confidence ?? null,
    rejection: fitted?.score ?? null,
    unreadable: fresh.unreadable,
  };
  const details = {
    photos: Object.fromEntries(labels.map((label, index) => [label, report.photos[index]!])),
    method: method.name,
    accuracy: report.accuracy,
  };
  return {
    model: withHead(base, head, labels, { confidence: fitted?.confidence, details }),
    report,
    remembered: { labels, base: identityOf(base), samples: originals },
  };
}

async function baseModel(base: string | Model | undefined): Promise<Model> {
  if (typeof base === 'object') {
    checkModel(base, 'options.base');
    return base;
  }
  return await readModel(base ?? DEFAULT_BASE);
}

/** The first sample of each picture. */
function firstViews(pictures: Int32Array): number[] {
  const first: number[] = [];
  pictures.forEach((picture, sample) => {
    first[picture] ??= sample;
  });
  return first;
}

/** The views of a picture count as one picture together, so that a strength chosen on pictures suits them. */
function viewWeights(pictures: Int32Array): Float64Array {
  const views = new Map<number, number>();
  for (const picture of pictures) views.set(picture, (views.get(picture) ?? 0) + 1);
  return Float64Array.from(pictures, (picture) => 1 / views.get(picture)!);
}

/**
 * Photos a class below which the nearest class mean is taken whatever cross-validation says, which then knows little: from 5
 * photos a class it named 77 % of photographs from other sources right, logistic regression 72 to 76 % with any strength; from 8
 * on the latter was better (scripts/measure/learn.mjs, 2026-11-27).
 */
const FEW = 8;

/** The least cross entropy decides; accuracy would leave most of what the answers say unused. */
function bestOf(scores: readonly MethodScore[], photosPerClass: number): MethodScore | undefined {
  if (photosPerClass < FEW) return scores.find(({ method: { name } }) => name === 'nearest-mean');
  return scores.reduce<MethodScore | undefined>(
    (best, score) => (best === undefined || score.loss < best.loss ? score : best),
    undefined,
  );
}

/** What a feature vector has to come from to be of use beside others. */
function identityOf({ architecture, preprocessing, provenance }: Model): string {
  return JSON.stringify({ architecture: architecture.name, last: architecture.last, preprocessing, provenance });
}
