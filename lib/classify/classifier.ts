import { join } from 'node:path';
import { examined, invalidArgument, NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { decodeLimits } from '../image/limits.js';
import type { RawPixels } from '../image/pixels.js';
import type { ImageInput } from '../image/source.js';
import { checkTranslations } from '../model/checkModel.js';
import type { Model, Translations } from '../model/model.js';
import { type Preprocessing, type PreprocessingPreset, preprocessingFrom } from '../model/preprocessing.js';
import { largestIndices } from '../numbers/largest.js';
import { softmax } from '../numbers/softmax.js';
import { preprocess } from '../runtime/preprocess.js';
import { type ImageRun, openSession, type RunOptions, type Session } from '../runtime/session.js';
import type { PooledSession } from '../runtime/sessionPool.js';
import { chooseByRules, type Device, presentVariants, type VariantChoice } from '../shipped/chooseVariant.js';
import { modelsFolder, readManifest } from '../shipped/manifest.js';
import { isModel, type PickOptions, pickModel } from '../shipped/pickModel.js';
import type { StreamOptions, StreamResult } from './classifyStream.js';
import type { Embedder } from './embedder.js';
import { inOrder } from './inOrder.js';
import { checkCount, checkDecode, checkLabels, checkOptions, checkSignal, type Wanted, wantedOf } from './options.js';
import { judge, rejectIndex } from './rejection.js';
import { Runners } from './runners.js';
import { type Decoding, fastDecoding, runPicture } from './runPicture.js';

export type { CanvasPixels, ImageInput, SharpOutput } from '../image/source.js';

export interface ClassifierOptions extends PickOptions {
  /** Threads that work on one image, or pictures on one thread each when there are several; default: the performance cores, at most 4. */
  readonly threads?: number | undefined;
  /** Names of the classes instead of the model's own. */
  readonly labels?: readonly string[] | undefined;
  /** The names in this language, one of those the model is translated into (`Model.translations`), such as `de`. */
  readonly language?: string | undefined;
  /** Names in other languages instead of the model's own. */
  readonly translations?: Translations | undefined;
  /** How pixels become the network's input, instead of what the model declares: a preset's name or all of it. */
  readonly preprocessing?: Preprocessing | PreprocessingPreset | undefined;
  /**
   * `fast`: JPEG and WebP pictures are decoded no larger than the model can tell apart, at least twice its input's sides
   * or eight pixels for each cell it averages. `exact`: every pixel, for results that can be compared. Default `fast`.
   */
  readonly decode?: 'fast' | 'exact' | undefined;
  /**
   * Bytes that picture files in hand take together: encoded, in the decoder, and as pixels until the network has them.
   * What does not fit waits; a picture that would not fit alone is refused with `ERR_IMAGE`. Default: a quarter of the
   * memory the process may use, at most 384 MiB, shared by all classifiers of a thread without this option.
   */
  readonly decodeMemory?: number | undefined;
}

export interface ClassifyOptions {
  /** Predictions to return, at most as many as there are classes. Default 5. */
  readonly topK?: number | undefined;
  /** Predict these classes only. They keep their probabilities among all classes. */
  readonly only?: readonly string[] | undefined;
  /** Predict all classes but these. */
  readonly except?: readonly string[] | undefined;
  /** Leave out predictions that are less probable, 0..1. */
  readonly minProbability?: number | undefined;
  /** Also give the probabilities of all classes. Default false. */
  readonly probabilities?: boolean | undefined;
  /** Also give the logits of all classes. Default false. */
  readonly logits?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BatchOptions extends ClassifyOptions {
  /** `throw`: the first picture that fails fails the call. `collect`: it is an `{ error }` in its place. Default `throw`. */
  readonly onError?: 'throw' | 'collect' | undefined;
}

/** In place of a picture's result. */
export interface FailedClassification {
  readonly error: NeonsenseError;
}

export interface Prediction {
  readonly label: string;
  /** Place of the class in {@link Classifier.labels}. */
  readonly index: number;
  /**
   * Softmax of the logits at the model's temperature, 0..1; over all classes they sum to 1. The model's reject class takes no part: it is
   * how probable the label is if the picture shows one of the classes.
   */
  readonly probability: number;
}

export interface Classification {
  /** Most probable first; the model's reject class ("none of these") is not among them. */
  readonly predictions: readonly Prediction[];
  /**
   * None of these, it seems: the model's reject class is more probable than the first prediction, or the first is less probable than
   * `confidence.rejectBelow`.
   */
  readonly rejected: boolean;
  /** Probability of the model's reject class, 0..1; absent where the model has none. */
  readonly noneProbability?: number;
  /** `[classes]` in the order of the labels, the reject class among them, summing to 1; with `probabilities: true`. */
  readonly probabilities?: readonly number[];
  /** `[classes]` in the order of the labels, with `logits: true`. */
  readonly logits?: readonly number[];
  /**
   * Milliseconds each stage took: `decode`, 0 for raw pixels, waiting for other pictures included; the others from when
   * it was the picture's turn.
   */
  readonly ms: { readonly decode: number; readonly preprocess: number; readonly inference: number };
}

const KNOWN_OPTIONS = [
  ...['threads', 'labels', 'language', 'translations', 'preprocessing', 'variant', 'precision', 'measure'],
  ...['key', 'padding', 'batchNormEpsilon', 'limits', 'decode', 'decodeMemory'],
];

const CLASSIFY_OPTIONS = ['topK', 'only', 'except', 'minProbability', 'probabilities', 'logits', 'signal'];

/** Pictures of a batch that are read, decoded, preprocessed or waiting for the network at the same time. */
export const PICTURES_IN_HAND = 8;

/** What a classifier needs of a session; one that takes no pictures is given tensors. */
type ClassifierSession = Pick<Session, 'run' | 'dispose'> & Partial<PooledSession>;

/**
 * Labels pictures. Holds a model and its session; calls may overlap: a picture alone gets all threads, several one each.
 * Dispose it when done, or declare it with `await using`.
 */
export class Classifier {
  /** The model, with the labels and preprocessing in use, but without its weights: they are packed in the session. */
  readonly model: Omit<Model, 'layers'>;
  /** Which model was chosen and why; undefined where a model was given and nothing was to be chosen. */
  readonly choice: VariantChoice | undefined;
  readonly #session: ClassifierSession;
  /** Reads the model again, for what needs more of it than its session gives; undefined where that can't be done. */
  readonly #readAgain: (() => Promise<Model>) | undefined;
  #embedder: Promise<Embedder> | undefined;
  readonly #runners: Runners;
  readonly #decoding: Decoding;
  #disposed = false;

  /**
   * Takes over a session of `model`, which is disposed with the classifier. {@link Classifier.load} is simpler.
   *
   * @param readAgain gives the model once more for {@link Classifier.embed}, which is refused without it
   */
  constructor(
    model: Model,
    session: ClassifierSession,
    choice?: VariantChoice,
    readAgain?: () => Promise<Model>,
    options: Pick<ClassifierOptions, 'decode' | 'decodeMemory'> = {},
  ) {
    const { layers: _packed, ...described } = model;
    this.model = described;
    this.choice = choice;
    this.#session = session;
    this.#runners = new Runners(
      session.runImage === undefined
        ? { runImage: (pixels, options) => this.#runTensor(pixels, options) }
        : (session as Session),
    );
    this.#readAgain = readAgain;
    this.#decoding = {
      ...(options.decode === 'exact' ? { readsJpeg: false } : fastDecoding(model.preprocessing)),
      limits: options.decodeMemory === undefined ? undefined : decodeLimits(options.decodeMemory),
    };
  }

  /**
   * Loads the household model that suits this machine (see `options.variant`) and makes it ready to run;
   * {@link Classifier.choice} says why it was chosen.
   *
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, what `createSession` throws for the addon and the machine
   */
  static load(options?: ClassifierOptions): Promise<Classifier>;
  /**
   * Loads a model and makes it ready to run.
   *
   * @param source A model file's path or bytes, or a model. When undefined, one of the household models is chosen.
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, what `readModel` throws for the file, what `createSession` throws
   *   for the model, the addon and the machine
   */
  static load(source: string | Uint8Array | Model | undefined, options?: ClassifierOptions): Promise<Classifier>;
  static async load(
    first?: string | Uint8Array | Model | ClassifierOptions,
    second?: ClassifierOptions,
  ): Promise<Classifier> {
    const alone = second === undefined && isOptions(first);
    const source = alone ? undefined : (first as string | Uint8Array | Model | undefined);
    const options = checkOptions(alone ? first : second === undefined ? {} : second, KNOWN_OPTIONS);
    checkCount(options.threads, 'options.threads');
    checkDecode(options.decode);
    checkCount(options.decodeMemory, 'options.decodeMemory');
    const { threads } = options;
    const preprocessing =
      options.preprocessing === undefined
        ? undefined
        : preprocessingFrom(options.preprocessing, 'options.preprocessing');
    const { model: picked, choice, consume, unchecked } = await pickModel(source, options, modelsFolder, true);
    const model = { ...named(picked, options), ...(preprocessing === undefined ? {} : { preprocessing }) };
    const variant = source === undefined && choice !== undefined ? { variant: choice.variant } : {};
    const readAgain = () => pickModel(source, { ...options, measure: false, ...variant });
    const session = await openSession(model, { consume, threads, fp16: choice?.fp16 }, unchecked).catch(
      async (error: unknown) => {
        // Reading it with every check says what is wrong with a file.
        if (unchecked !== undefined) await readAgain();
        throw error;
      },
    );
    const again = async (): Promise<Model> => {
      const { model: read } = await readAgain();
      return { ...read, preprocessing: model.preprocessing };
    };
    return new Classifier(model, session, choice, again, options);
  }

  /** One name per class, in the order of the logits. */
  get labels(): readonly string[] {
    return this.model.labels;
  }

  /**
   * Labels one picture. Decoding, preprocessing and inference leave the main thread; bytes and pixels given must not
   * change until the call ends.
   *
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`; `ERR_NOT_FOUND`, `ERR_IO`, `ERR_IMAGE` for the picture;
   *   `ERR_UNSUPPORTED` for encoded pictures that need sharp, without it; `ERR_ABORTED`; `ERR_DISPOSED`.
   */
  async classify(image: ImageInput, options: ClassifyOptions = {}): Promise<Classification> {
    const { wanted, signal } = this.#begin(options, CLASSIFY_OPTIONS);
    return this.#classify(image, 'image', wanted, signal);
  }

  /**
   * Labels many pictures. Reading, decoding, preprocessing and inference of different pictures overlap.
   *
   * @returns One result per picture, in their order.
   * @throws {NeonsenseError} as {@link Classifier.classify}; the first picture that fails (its message says which) fails the call, unless
   *   `onError` is `collect`. An abort always does.
   */
  classifyBatch(
    images: readonly ImageInput[],
    options: BatchOptions & { readonly onError: 'collect' },
  ): Promise<(Classification | FailedClassification)[]>;
  classifyBatch(images: readonly ImageInput[], options?: BatchOptions): Promise<Classification[]>;
  async classifyBatch(
    images: readonly ImageInput[],
    options: BatchOptions = {},
  ): Promise<(Classification | FailedClassification)[]> {
    const { wanted, signal, onError = 'throw' } = this.#begin(options, [...CLASSIFY_OPTIONS, 'onError']);
    if (onError !== 'throw' && onError !== 'collect') {
      throw invalidArgument('options.onError', "'throw' or 'collect'", onError);
    }
    const pictures = examined('images', 'an array of pictures', images, () => {
      if (!Array.isArray(images)) throw invalidArgument('images', 'an array of pictures', images);
      // Spread, because holes of an array are pictures that are missing.
      return [...images] as readonly ImageInput[];
    });
    const results: (Classification | FailedClassification)[] = [];
    const outcomes = inOrder(pictures, PICTURES_IN_HAND, (image, i) =>
      this.#classify(image, `images[${i}]`, wanted, signal),
    );
    for await (const outcome of outcomes) {
      if ('value' in outcome) results.push(outcome.value);
      else if (onError === 'collect' && isOfOnePicture(outcome.error)) results.push({ error: outcome.error });
      else throw outcome.error;
    }
    return results;
  }

  async #classify(
    image: unknown,
    name: string,
    wanted: Wanted,
    signal: AbortSignal | undefined,
  ): Promise<Classification> {
    const { decode, result } = await this.#runners.hold((choose) =>
      runPicture(image, name, this.#decoding, signal, async () => {
        this.#checkUsable();
        const runner = await choose();
        this.#checkUsable();
        return runner;
      }),
    );
    return { ...this.#answer(result.output, wanted), ms: { decode, ...result.ms } };
  }

  /**
   * Labels the frames of a stream: a camera's, ffmpeg's, an HTTP answer's.
   *
   * ```js
   * for await (const { predictions, fps } of classifier.stream(source, { format: 'rgb24', width: 640, height: 480 })) ...
   * ```
   *
   * By default the newest frame wins: those that come while the network works are dropped and counted, and memory stays
   * that of three frames. One frame that can't be read has an `error` in its result and does not end the stream. Leaving
   * the loop closes the source.
   *
   * @param source a Readable, or another async iterable of bytes
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options that are wrong, `ERR_IMAGE` when raw frames end within
   * one, `ERR_ABORTED`, `ERR_DISPOSED`; what the source throws
   */
  async *stream(source: AsyncIterable<Uint8Array>, options: StreamOptions): AsyncGenerator<StreamResult> {
    this.#checkUsable();
    const { classifyStream } = await import('./classifyStream.js');
    const { labels } = this;
    const { confidence } = this.model;
    yield* classifyStream({ labels, confidence, classify: (image, o) => this.classify(image, o) }, source, options);
  }

  /**
   * The features the classifier reads, divided by their length: `[width]` numbers whose squares sum to 1. The scalar
   * product of two says how alike two pictures look. The first call reads the model again.
   *
   * @param images one picture, or an array of them, for which an array of vectors is given
   * @throws {NeonsenseError} as {@link Classifier.classify}; `ERR_UNSUPPORTED` for a classifier that was made of a
   * session
   */
  embed(images: ImageInput, options?: Pick<ClassifyOptions, 'signal'>): Promise<Float32Array>;
  embed(images: readonly ImageInput[], options?: Pick<ClassifyOptions, 'signal'>): Promise<Float32Array[]>;
  async embed(
    images: ImageInput | readonly ImageInput[],
    options: Pick<ClassifyOptions, 'signal'> = {},
  ): Promise<Float32Array | Float32Array[]> {
    this.#checkUsable();
    const own = checkOptions(options, ['signal']);
    checkSignal(own.signal);
    const embedder = await this.#embedderOf();
    const many = examined('images', 'a picture, or an array of them', images, () => Array.isArray(images));
    if (!many) return await embedder.embed(images as ImageInput, own);
    const vectors: Float32Array[] = [];
    const outcomes = inOrder([...(images as readonly ImageInput[])], PICTURES_IN_HAND, (image) =>
      embedder.embed(image, own),
    );
    for await (const outcome of outcomes) {
      if ('error' in outcome) throw outcome.error;
      vectors.push(outcome.value);
    }
    return vectors;
  }

  #embedderOf(): Promise<Embedder> {
    const readAgain = this.#readAgain;
    if (readAgain === undefined) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        'This classifier was made of a session, which gives no features: use `Classifier.load`',
      );
    }
    this.#embedder ??= (async () => {
      const { Embedder } = await import('./embedder.js');
      return await Embedder.create(await readAgain(), { decoding: this.#decoding });
    })();
    return this.#embedder;
  }

  /** Waits for runs under way, then frees the session. Calls made later fail with `ERR_DISPOSED`. May be repeated. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all([
      this.#session.dispose(),
      this.#embedder?.then((embedder) => embedder.dispose()),
      this.#runners.dispose(),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #begin<T extends ClassifyOptions>(options: T, known: readonly string[]): T & { readonly wanted: Wanted } {
    this.#checkUsable();
    const own = checkOptions(options, known);
    checkSignal(own.signal);
    const wanted = wantedOf(own, this.labels);
    throwIfAborted(own.signal);
    if (this.labels.length === 0) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        'This network has no classifier, it only gives features: use `embed`, or teach it classes first',
      );
    }
    return { ...own, wanted };
  }

  #checkUsable(): void {
    if (this.#disposed) {
      throw new NeonsenseError('ERR_DISPOSED', 'The classifier was disposed; load another one');
    }
  }

  async #runTensor(pixels: RawPixels, options: RunOptions = {}): Promise<ImageRun> {
    const started = performance.now();
    const tensor = preprocess(pixels, this.model.preprocessing);
    const made = performance.now();
    const output = await this.#session.run(tensor, options);
    return { output, ms: { preprocess: made - started, inference: performance.now() - made } };
  }

  #answer(logits: Float32Array, { topK, allowed, minProbability, ...also }: Wanted): Omit<Classification, 'ms'> {
    const { confidence } = this.model;
    const probabilities = softmax(logits, confidence?.temperature);
    const reject = rejectIndex(confidence, this.labels);
    const count = allowed === undefined ? topK + 1 : this.labels.length;
    const order = largestIndices(probabilities, count).filter((index) => index !== reject);
    const among = reject === undefined ? probabilities : softmax(without(logits, reject), confidence?.temperature);
    const predictions = order
      .filter((index) => allowed?.has(index) ?? true)
      .slice(0, topK)
      .map((index) => ({
        label: this.labels[index] as string,
        index,
        probability: among[reject !== undefined && index > reject ? index - 1 : index] as number,
      }))
      .filter(({ probability }) => probability >= minProbability);
    const { rejected, noneProbability } = judge(probabilities, order[0]!, reject, confidence?.rejectBelow);
    return {
      predictions,
      rejected,
      ...(noneProbability === undefined ? {} : { noneProbability }),
      ...(also.probabilities ? { probabilities: Array.from(probabilities) } : {}),
      ...(also.logits ? { logits: Array.from(logits) } : {}),
    };
  }
}

/** Whether others may fare better; an abort or a disposed classifier ends them all. */
function isOfOnePicture(error: unknown): error is NeonsenseError {
  return error instanceof NeonsenseError && error.code !== 'ERR_ABORTED' && error.code !== 'ERR_DISPOSED';
}

/**
 * The float model of a folder of models: the one the rules choose for a machine of which nothing speaks for INT8.
 *
 * @throws {NeonsenseError} what `readManifest` throws, `ERR_NOT_FOUND` where no such model is there
 */
export function defaultModelPath(folder: string = modelsFolder): string {
  const manifest = readManifest(folder);
  const plain: Device = { features: [], availableMemory: Infinity };
  return join(folder, chooseByRules(manifest, presentVariants(manifest, folder), plain).variant.file);
}

/** The logits of the other classes. */
function without(logits: Float32Array, index: number): Float32Array {
  return logits.filter((_, at) => at !== index);
}

/** `model` with the names that the options give its classes, in the language they ask for. */
function named(model: Model, { labels, translations, language }: ClassifierOptions): Model {
  checkLabels(labels, model.labels.length);
  if (translations !== undefined) checkTranslations(translations, model.labels.length);
  const { translations: old, ...rest } = labels === undefined ? model : renamed(model, labels);
  // Names in other languages belong to the names they translate.
  const known = translations ?? (labels === undefined ? old : undefined);
  const translated = known === undefined ? rest : { ...rest, translations: known };
  if (language === undefined) return translated;
  const found = known !== undefined && Object.hasOwn(known, language) ? known[language] : undefined;
  if (found !== undefined) return renamed(translated, found);
  const languages = shortened(Object.keys(known ?? {}).join(', ')) || 'no language';
  throw invalidArgument('options.language', `a language the model is translated into (${languages})`, language);
}

/** Other names for the classes; the reject class goes by its new one. */
function renamed(model: Model, labels: readonly string[]): Model {
  const { confidence } = model;
  const reject = rejectIndex(confidence, model.labels);
  const again = reject === undefined ? {} : { confidence: { ...confidence!, rejectClass: labels[reject]! } };
  return { ...model, labels: [...labels], ...again };
}

/** A plain object that is no model: options in the place of the source. */
function isOptions(value: unknown): value is ClassifierOptions {
  if (typeof value !== 'object' || value === null || isModel(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
