import { untilAborted } from '../abort.js';
import { examined, invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import { type Frame, type Pixels, type PixelView, viewOf } from '../image/pixels.js';
import { checkModel, examinedModel } from '../model/checkModel.js';
import type { UncheckedContent } from '../model/format/contentHash.js';
import type { Model } from '../model/model.js';
import { mainOutput } from '../model/network.js';
import type { Preprocessing } from '../model/preprocessing.js';
import { nextTurn } from '../model/steps.js';
import { lower } from '../plan/lower.js';
import type { PlanValue } from '../plan/plan.js';
import type { JpegLimits, NativePreprocessor, NativeSession, OperatorTime } from './binding.js';
import { markConsumed, refuseConsumed } from './consumed.js';
import { loadBinding } from './load/load.js';
import { awaitNative, callNative } from './nativeErrors.js';
import { newPreprocessor } from './preprocess.js';
import { checkThreads, defaultThreads } from './threads.js';

/** How `createSession` prepares a model. */
export interface SessionOptions {
  /** Threads that work on one image, 1 to 256. Default: the performance cores within the CPU quota, at most 4. */
  readonly threads?: number | undefined;
  /** Measure each operator, for `session.profile()`. Default false. */
  readonly profile?: boolean | undefined;
  /** Compute the float parts in half precision; only where the CPU has fp16 arithmetic. Default false. */
  readonly fp16?: boolean | undefined;
  /**
   * Whether a float model may run on sparse kernels, which skip zeros. They are used where more than two thirds of the
   * 1x1 convolutions' weights are zero, on CPUs with such kernels: arm64, but not x86 with AVX, whose dense kernels are
   * faster. Default true, false with `fp16`.
   */
  readonly sparse?: boolean | undefined;
  /**
   * What a run gives back, in this order: `logits` `[N, classes]`, `pool` `[N, C]` (the features the classifier reads),
   * or any other value of the network by its name. A Conv2d or Linear module's name stands for its output, clamped by
   * ReLU or hard-sigmoid; `NAME.hard-swish` for that after a hard-swish; `NAME:raw` for that before any of them. Nothing
   * is computed that none of them needs. Default `['logits']`, or `['pool']` where the network has no classifier.
   */
  readonly outputs?: readonly string[] | undefined;
  /**
   * Use the model's own memory, which saves half the memory and time of loading. The model's weights are gone
   * afterwards, even when this throws, and with them those of models that share arrays with it; a second use is refused.
   * Default false.
   */
  readonly consume?: boolean | undefined;
}

/** How one run is done. */
export interface RunOptions {
  /** Aborts between images; the image under way is finished in the background. */
  readonly signal?: AbortSignal | undefined;
  /** Where to write the output, `[N, classes]`; a new array where absent. After an abort its content is undefined. */
  readonly output?: Float32Array | undefined;
}

/** What one picture gave. */
export interface ImageRun {
  /** `[1, classes]`, or the one output the session was asked for. */
  readonly output: Float32Array;
  /** Milliseconds from when it was the picture's turn: until the network's input was made, and from then on. */
  readonly ms: { readonly preprocess: number; readonly inference: number };
}

/** Bytes of a picture that are copied before the event loop gets its turn. */
const COPIED_AT_ONCE = 4 * 2 ** 20;

/** What a session takes or gives. */
export interface TensorMetadata {
  readonly name: string;
  /** `null` stands for the number of images, any from 1 up. */
  readonly shape: readonly (number | null)[];
  readonly type: 'float32';
}

/**
 * Packs `model` for this CPU, off the main thread.
 *
 * @returns a session; dispose of it, or declare it with `await using`.
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for bad options, `ERR_MODEL_ARCHITECTURE` or `ERR_MODEL_FORMAT` for
 * a model that does not hold together, `ERR_NATIVE_LOAD` without the addon, `ERR_NATIVE` when the engine refuses.
 */
export async function createSession(model: Model, options: SessionOptions = {}): Promise<Session> {
  return openSession(model, options);
}

/**
 * As {@link createSession}, for a model whose file was not checked and unpacked to the end, if `unchecked` is there: that
 * is done before it is packed, also off the main thread. Such a model has to be consumed.
 *
 * @throws {NeonsenseError} as createSession; `ERR_NATIVE` where the content has another hash
 */
export async function openSession(
  model: Model,
  options: SessionOptions,
  unchecked?: UncheckedContent,
): Promise<Session> {
  const binding = loadBinding();
  const {
    consume: asked,
    outputs,
    nativeOptions,
  } = examined('options', 'an object', options, () => {
    return checkedOptions(options, () => defaultThreads(callNative(() => binding.cpu()).performanceCores));
  });
  // A copy would be one of what is not unpacked yet.
  const consume = asked || unchecked !== undefined;
  const { plan, names } = examinedModel(model, () => {
    const wanted = outputNames(outputs === undefined ? [mainOutput(model.architecture)] : outputs);
    refuseConsumed(model);
    checkModel(model);
    return { plan: lower(model, { outputs: wanted, consume }), names: wanted };
  });
  if (consume) markConsumed(model);
  // Nobody else knows what was read just now.
  if (unchecked !== undefined) await nextTurn();
  const native = await awaitNative(() => binding.createSession(plan, nativeOptions, unchecked));
  const shape = {
    input: plan.values[plan.input]!.shape,
    outputs: plan.outputs.map((index, at) => ({ name: names[at]!, shape: plan.values[index]!.shape })),
  };
  return new Session(native, shape, nativeOptions.threads, model.preprocessing);
}

/** What a plan takes and gives. */
interface PlanShape {
  readonly input: PlanValue['shape'];
  readonly outputs: readonly Pick<PlanValue, 'name' | 'shape'>[];
}

function checkedOptions(options: SessionOptions, defaultCount: () => number) {
  const { threads: wanted, outputs } = options;
  const threads = checkThreads(wanted === undefined ? defaultCount() : wanted);
  const flag = (name: 'profile' | 'fp16' | 'sparse' | 'consume', otherwise = false): boolean => {
    const value: unknown = options[name] ?? otherwise;
    if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
    return value;
  };
  const fp16 = flag('fp16');
  const sparse = flag('sparse', !fp16);
  if (fp16 && sparse) throw invalidArgument('sparse', 'false or nothing beside `fp16: true`', sparse);
  return { consume: flag('consume'), outputs, nativeOptions: { threads, profile: flag('profile'), fp16, sparse } };
}

function outputNames(outputs: unknown): readonly string[] {
  if (!Array.isArray(outputs) || outputs.length === 0 || !outputs.every((name) => typeof name === 'string')) {
    throw invalidArgument('outputs', 'an array of at least one name', outputs);
  }
  return [...outputs];
}

/**
 * A model ready to run. Runs leave the main thread; one image runs at a time, further runs wait their turn in order.
 * Made by `createSession`.
 */
export class Session {
  /** The one input: pixels as the model's preprocessing makes them, `[N, H, W, C]`. */
  readonly inputs: readonly TensorMetadata[];
  /** What a run gives back: logits, `[N, classes]`, or what the session was asked for; a vector is `[N, C]`. */
  readonly outputs: readonly TensorMetadata[];
  /** Threads that work on one image. */
  readonly threads: number;

  readonly #native: NativeSession;
  readonly #plan: PlanShape;
  readonly #preprocessing: Preprocessing;
  /** Made for the first picture; who gives tensors needs none. */
  #preprocessor: NativePreprocessor | undefined;
  /** Floats one image gives in each of `outputs`. */
  readonly #outputSizes: readonly number[];
  readonly #inputSize: number;
  readonly #outputSize: number;
  #queue: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(native: NativeSession, plan: PlanShape, threads: number, preprocessing: Preprocessing) {
    const { input, outputs } = plan;
    this.#native = native;
    this.#plan = plan;
    this.#preprocessing = preprocessing;
    const shapes = outputs.map(({ shape }) => shape);
    this.#outputSizes = shapes.map(([height, width, channels]) => height * width * channels);
    this.#inputSize = input[0] * input[1] * input[2];
    this.#outputSize = this.#outputSizes.reduce((sum, size) => sum + size, 0);
    this.threads = threads;
    this.inputs = [{ name: 'input', shape: [null, ...input], type: 'float32' }];
    this.outputs = shapes.map(([height, width, channels], index) => {
      const shape = height === 1 && width === 1 ? [channels] : [height, width, channels];
      return { name: outputs[index]!.name, shape: [null, ...shape], type: 'float32' };
    });
  }

  /**
   * Runs the network on N images, one after the other.
   *
   * @param input `[N, H, W, C]`; must not be changed until the promise settles
   * @returns logits `[N, classes]`, or the one output the session was asked for
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for an array of the wrong type or length, `ERR_UNSUPPORTED` for a
   * session of several outputs, `ERR_ABORTED`, `ERR_DISPOSED`, `ERR_NATIVE`.
   */
  async run(input: Float32Array, options: RunOptions = {}): Promise<Float32Array> {
    this.#throwIfDisposed();
    this.#throwIfSeveralOutputs('run');
    const images = this.#countImages(input);
    const { signal, output: given } = runOptions(options);
    const output = this.#outputFor(given, images);
    const runImage = (index: number) => this.#runImage(input, index, output, index * this.#outputSize);
    return this.#inTurn(images, signal, runImage, output);
  }

  /**
   * Runs the network on a picture, which is made into its input as the model's preprocessing says, on the thread that
   * runs it.
   *
   * @param image raw pixels; must not be changed until the promise settles, unless they are handed over (`transfer`)
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for pixels that make no sense, `ERR_UNSUPPORTED` for a session of
   * several outputs, `ERR_ABORTED`, `ERR_DISPOSED`, `ERR_NATIVE`.
   */
  async runImage(image: Pixels | Frame, options: RunOptions = {}): Promise<ImageRun> {
    this.#throwIfDisposed();
    this.#throwIfSeveralOutputs('runImage');
    const view = viewOf(image, 'image');
    return this.#runOne(options, (signal, output) => this.#runView(view, signal, output));
  }

  /**
   * As {@link runImage}, for a JPEG file, which is read on the thread that runs the network, and no larger than that takes.
   *
   * @internal
   * @param jpeg its path, or its bytes, which must not be changed until the promise settles
   * @returns undefined where it is not read here: progressive, damaged, out of the ordinary, or no JPEG file at all
   */
  async runJpeg(
    jpeg: string | Uint8Array,
    limits: JpegLimits,
    options: RunOptions = {},
  ): Promise<ImageRun | undefined> {
    this.#throwIfDisposed();
    this.#throwIfSeveralOutputs('runJpeg');
    const { output, ms } = await this.#runOne(options, (signal, output) => {
      return this.#runJpeg(jpeg, limits, signal, output);
    });
    return ms && { output, ms };
  }

  /**
   * Runs the network on N images, one after the other, and gives every output the session was created with.
   *
   * @param input `[N, H, W, C]`; must not be changed until the promise settles
   * @returns each output by its name, in the order asked for: `[N, C]` or `[N, H, W, C]`, see `outputs`
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for an array of the wrong type or length, `ERR_ABORTED`,
   * `ERR_DISPOSED`, `ERR_NATIVE`.
   */
  async runAll(input: Float32Array, options: Pick<RunOptions, 'signal'> = {}): Promise<Record<string, Float32Array>> {
    this.#throwIfDisposed();
    const images = this.#countImages(input);
    const { signal } = runOptions(options);
    const results = this.#outputSizes.map((size) => new Float32Array(images * size));
    const image = new Float32Array(this.#outputSize);
    const runImage = async (index: number): Promise<void> => {
      await this.#runImage(input, index, image, 0);
      let from = 0;
      for (const [i, size] of this.#outputSizes.entries()) {
        results[i]!.set(image.subarray(from, from + size), index * size);
        from += size;
      }
    };
    const byName = Object.fromEntries(this.outputs.map(({ name }, i) => [name, results[i]!]));
    return this.#inTurn(images, signal, runImage, byName);
  }

  /**
   * Another session over the same packed weights, which takes no more than the memory of one image.
   *
   * @internal
   * @returns undefined where the engine can't do that for this model
   */
  async another(threads: number): Promise<Session | undefined> {
    this.#throwIfDisposed();
    const native = await awaitNative(() => this.#native.another(threads));
    return native && new Session(native, this.#plan, threads, this.#preprocessing);
  }

  /**
   * What each operator of the last image took, in the order they ran. Needs `profile: true`.
   *
   * @throws {NeonsenseError} `ERR_DISPOSED`; `ERR_NATIVE` while a run is under way or without `profile: true`.
   */
  profile(): OperatorTime[] {
    this.#throwIfDisposed();
    return callNative(() => this.#native.profile());
  }

  /** Waits for the runs that were accepted, then frees the session's memory. Later calls wait for the same. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#queue.then(() => this.#native.dispose());
    return this.#disposal;
  }

  /** The same as `dispose()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #throwIfDisposed(): void {
    if (this.#disposal !== undefined) {
      throw new NeonsenseError('ERR_DISPOSED', 'This session was disposed: create a new one with `createSession`');
    }
  }

  #throwIfSeveralOutputs(method: string): void {
    if (this.outputs.length > 1) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        `This session has several outputs: call \`runAll\` instead of \`${method}\``,
      );
    }
  }

  #countImages(input: unknown): number {
    const size = this.#inputSize;
    const expected = `a Float32Array [N, ${this.inputs[0]!.shape.slice(1).join(', ')}], a multiple of ${size} floats,`;
    return examined('input', expected, input, () => {
      if (!(input instanceof Float32Array) || input.length === 0 || input.length % size !== 0) {
        throw invalidArgument('input', expected, input);
      }
      return input.length / size;
    });
  }

  #outputFor(output: unknown, images: number): Float32Array {
    const length = images * this.#outputSize;
    if (output === undefined) return new Float32Array(length);
    const expected = `a Float32Array of length ${length}`;
    return examined('output', expected, output, () => {
      if (output instanceof Float32Array && output.length === length) return output;
      throw invalidArgument('output', expected, output);
    });
  }

  #runImage(input: Float32Array, index: number, output: Float32Array, at: number): Promise<void> {
    return awaitNative(() => this.#native.run(input, index * this.#inputSize, output, at));
  }

  async #runView(view: PixelView, signal: AbortSignal | undefined, output: Float32Array): Promise<ImageRun['ms']> {
    const started = performance.now();
    this.#preprocessor ??= newPreprocessor(this.#preprocessing);
    const preprocessor = this.#preprocessor;
    if (!view.transfer) await copyInSlices(preprocessor, view.data, signal);
    const copied = performance.now() - started;
    const pixels = view.transfer ? view.data : undefined;
    const made = await awaitNative(() => this.#native.runImage(preprocessor, pixels, view.layout, output, 0));
    const preprocess = copied + made;
    return { preprocess, inference: performance.now() - started - preprocess };
  }

  async #runJpeg(
    jpeg: string | Uint8Array,
    limits: JpegLimits,
    signal: AbortSignal | undefined,
    output: Float32Array,
  ): Promise<ImageRun['ms'] | undefined> {
    const started = performance.now();
    this.#preprocessor ??= newPreprocessor(this.#preprocessing);
    const preprocessor = this.#preprocessor;
    if (typeof jpeg !== 'string') await copyInSlices(preprocessor, jpeg, signal);
    const path = typeof jpeg === 'string' ? jpeg : undefined;
    const copied = performance.now() - started;
    const made = await awaitNative(() => this.#native.runJpeg(preprocessor, path, limits, output, 0));
    if (made === undefined) return undefined;
    const { decode, preprocess } = made;
    return { preprocess, inference: performance.now() - started - copied - decode - preprocess };
  }

  /** Runs one picture when its turn has come. */
  async #runOne<T>(
    options: RunOptions,
    run: (signal: AbortSignal | undefined, output: Float32Array) => Promise<T>,
  ): Promise<{ readonly output: Float32Array; readonly ms: T }> {
    const { signal, output: given } = runOptions(options);
    const output = this.#outputFor(given, 1);
    let ms: T | undefined;
    const take = async (): Promise<void> => {
      ms = await run(signal, output);
    };
    await this.#inTurn(1, signal, take, output);
    return { output, ms: ms as T };
  }

  /** Runs each image when its turn has come, then gives `result`. */
  #inTurn<T>(
    images: number,
    signal: AbortSignal | undefined,
    runImage: (index: number) => Promise<void>,
    result: T,
  ): Promise<T> {
    throwIfAborted(signal);
    const running = this.#enqueue(async () => {
      for (let index = 0; index < images; index++) {
        throwIfAborted(signal);
        await runImage(index);
      }
      return result;
    });
    return untilAborted(signal, running);
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

/** A large picture is copied in slices, between which the event loop runs. */
async function copyInSlices(
  preprocessor: NativePreprocessor,
  pixels: Uint8Array | Uint8ClampedArray,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let begin = 0; begin < pixels.length; begin += COPIED_AT_ONCE) {
    if (begin > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      throwIfAborted(signal);
    }
    callNative(() => preprocessor.copy(pixels, begin, Math.min(pixels.length, begin + COPIED_AT_ONCE)));
  }
}

function runOptions(options: RunOptions): RunOptions {
  return examined('options', 'an object', options, () => {
    const { signal, output } = options;
    if (
      signal !== undefined &&
      (typeof signal?.aborted !== 'boolean' || typeof signal.addEventListener !== 'function')
    ) {
      throw invalidArgument('options.signal', 'an AbortSignal', signal);
    }
    return { ...(signal === undefined ? {} : { signal }), ...(output === undefined ? {} : { output }) };
  });
}
