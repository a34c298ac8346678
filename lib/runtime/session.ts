import { describe, invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import type { Model } from '../model/model.js';
import { lower } from '../plan/lower.js';
import type { Plan } from '../plan/plan.js';
import type { NativeSession, OperatorTime } from './binding.js';
import { loadBinding } from './load/load.js';
import { defaultThreads } from './threads.js';

const MOST_THREADS = 256;

/** How `createSession` prepares a model. */
export interface SessionOptions {
  /** Threads that work on one image, 1 to 256. Default: the performance cores within the CPU quota, at most 4. */
  readonly threads?: number;
  /** Measure each operator, for `session.profile()`. Default false. */
  readonly profile?: boolean;
  /** Compute the float parts in half precision; only where the CPU has fp16 arithmetic. Default false. */
  readonly fp16?: boolean;
  /**
   * Whether a float model may run on sparse kernels, which skip zeros. They are used where more than two thirds of the
   * 1x1 convolutions' weights are zero, on CPUs with such kernels: arm64, but not x86 with AVX, whose dense kernels are
   * faster. Default true, false with `fp16`.
   */
  readonly sparse?: boolean;
  /** Make every float value available to `session.observe()`. Costs memory and speed. Default false. */
  readonly observe?: boolean;
  /**
   * Run no further than this Conv2d or Linear module of a float model: a run gives back its output, neither clamped nor
   * activated, `[N, H * W * C]`, instead of logits.
   */
  readonly until?: string;
  /**
   * Use the model's own memory, which saves half the memory and time of loading. The model's weights are gone
   * afterwards, even when this throws. Default false.
   */
  readonly consume?: boolean;
}

/** How one run is done. */
export interface RunOptions {
  /** Aborts between images; the image under way is finished in the background. */
  readonly signal?: AbortSignal;
  /** Where to write the logits, `[N, classes]`; a new array where absent. After an abort its content is undefined. */
  readonly output?: Float32Array;
}

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
  const binding = loadBinding();
  const threads =
    options.threads === undefined ? defaultThreads(callNative(() => binding.cpu()).performanceCores) : options.threads;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw invalidArgument('threads', `an integer from 1 to ${MOST_THREADS}`, threads);
  }
  const flag = (name: 'profile' | 'fp16' | 'sparse' | 'observe' | 'consume', otherwise = false): boolean => {
    const value: unknown = options[name] ?? otherwise;
    if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
    return value;
  };
  const observe = flag('observe');
  const fp16 = flag('fp16');
  const sparse = flag('sparse', !fp16);
  if (fp16 && sparse) throw invalidArgument('sparse', 'false or nothing beside `fp16: true`', sparse);
  const nativeOptions = { threads, profile: flag('profile'), fp16, sparse };
  const plan = lower(model, {
    observe,
    consume: flag('consume'),
    ...(options.until === undefined ? {} : { until: options.until }),
  });
  const native = await awaitNative(() => binding.createSession(plan, nativeOptions));
  return new Session(native, plan, threads, observe);
}

/**
 * A model ready to run. Runs leave the main thread; one image runs at a time, further runs wait their turn in order.
 * Made by `createSession`.
 */
export class Session {
  /** The one input: pixels as the model's preprocessing makes them, `[N, H, W, C]`. */
  readonly inputs: readonly TensorMetadata[];
  /** The one output: logits, `[N, classes]`, or what `until` asked for. */
  readonly outputs: readonly TensorMetadata[];
  /** Threads that work on one image. */
  readonly threads: number;

  readonly #native: NativeSession;
  readonly #observed: readonly { readonly name: string; readonly size: number }[];
  readonly #observe: boolean;
  readonly #inputSize: number;
  readonly #outputSize: number;
  #queue: Promise<unknown> = Promise.resolve();
  #disposal: Promise<void> | undefined;

  /** @internal */
  constructor(native: NativeSession, plan: Plan, threads: number, observe: boolean) {
    const input = plan.values[plan.input]!.shape;
    this.#native = native;
    this.#observe = observe;
    this.#observed = plan.outputs.map((index) => {
      const { name, shape } = plan.values[index]!;
      return { name, size: shape[0] * shape[1] * shape[2] };
    });
    this.#inputSize = input[0] * input[1] * input[2];
    this.#outputSize = this.#observed.reduce((sum, { size }) => sum + size, 0);
    this.threads = threads;
    this.inputs = [{ name: 'input', shape: [null, ...input], type: 'float32' }];
    const last = this.#observed.at(-1)!;
    const name = last.name === 'classifier.3' ? 'logits' : last.name;
    this.outputs = [{ name, shape: [null, last.size], type: 'float32' }];
  }

  /**
   * Runs the network on N images, one after the other.
   *
   * @param input `[N, H, W, C]`; must not be changed until the promise settles
   * @returns logits `[N, classes]`
   * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for an array of the wrong type or length, `ERR_ABORTED`,
   * `ERR_DISPOSED`, `ERR_NATIVE`.
   */
  async run(input: Float32Array, options: RunOptions = {}): Promise<Float32Array> {
    this.#throwIfDisposed();
    if (this.#observe) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        'This session was created with `observe: true`: call `observe` instead of `run`',
      );
    }
    const images = this.#countImages(input);
    const output = this.#outputFor(options.output, images);
    throwIfAborted(options.signal);
    return untilAborted(
      options.signal,
      this.#enqueue(async () => {
        for (let i = 0; i < images; i++) {
          throwIfAborted(options.signal);
          await awaitNative(() => this.#native.run(input, i * this.#inputSize, output, i * this.#outputSize));
        }
        return output;
      }),
    );
  }

  /**
   * Runs one image and gives back every float value on the way, by the names `lower` uses. Needs `observe: true`.
   *
   * @param input `[1, H, W, C]`
   * @returns value name to its numbers, `[H, W, C]`
   * @throws {NeonsenseError} as `run`; `ERR_UNSUPPORTED` when the session was not created for it.
   */
  async observe(input: Float32Array): Promise<Map<string, Float32Array>> {
    this.#throwIfDisposed();
    if (!this.#observe) {
      throw new NeonsenseError('ERR_UNSUPPORTED', 'Create the session with `observe: true` to observe its values');
    }
    if (this.#countImages(input) !== 1) {
      throw invalidArgument('input', `one image of ${this.#inputSize} floats`, input);
    }
    const output = new Float32Array(this.#outputSize);
    await this.#enqueue(() => awaitNative(() => this.#native.run(input, 0, output, 0)));
    let offset = 0;
    return new Map(
      this.#observed.map(({ name, size }) => {
        const values = output.subarray(offset, offset + size);
        offset += size;
        return [name, values];
      }),
    );
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

  #countImages(input: unknown): number {
    const size = this.#inputSize;
    const shape = this.inputs[0]!.shape.slice(1).join(', ');
    if (!(input instanceof Float32Array) || input.length === 0 || input.length % size !== 0) {
      throw invalidArgument('input', `a Float32Array [N, ${shape}], a multiple of ${size} floats,`, input);
    }
    return input.length / size;
  }

  #outputFor(output: unknown, images: number): Float32Array {
    const length = images * this.#outputSize;
    if (output === undefined) return new Float32Array(length);
    if (!(output instanceof Float32Array) || output.length !== length) {
      throw invalidArgument('output', `a Float32Array of length ${length}`, output);
    }
    return output;
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

/** `task`, unless `signal` fires first. The task goes on in the background. */
function untilAborted<T>(signal: AbortSignal | undefined, task: Promise<T>): Promise<T> {
  if (signal === undefined) return task;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => {
      try {
        throwIfAborted(signal);
      } catch (error) {
        reject(error as Error);
      }
    };
    signal.addEventListener('abort', abort, { once: true });
    task.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The engine's plain errors as ours, with the JavaScript stack of the caller. */
function nativeError(error: unknown): NeonsenseError {
  const message = error instanceof Error ? error.message : describe(error);
  return new NeonsenseError('ERR_NATIVE', message, { cause: error });
}

function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw nativeError(error);
  }
}

async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw nativeError(error);
  }
}
