import type { PixelLayout } from '../image/pixels.js';
import type { UncheckedContent } from '../model/format/contentHash.js';
import type { Preprocessing } from '../model/preprocessing.js';
import type { Plan } from '../plan/plan.js';

/** Everything the native addon offers, typed once. Its own checks mirror engine/plan; see native/addon/. */
export interface Binding {
  /**
   * Takes over the plan's arrays, which are detached when this returns, and packs them off the main thread. Throws or
   * rejects with a plain Error when the plan is unsound or the CPU can't run it.
   *
   * @param content what the weights were read from, taken over like them: rejected where its hash is another one
   */
  createSession(plan: Plan, options: NativeSessionOptions, content?: UncheckedContent): Promise<NativeSession>;
  /** Makes the network's input of pixels. Throws a plain Error for what it can't do. */
  readonly Preprocessor: new (
    preprocessing: NativePreprocessing,
  ) => NativePreprocessor;
  /** Throws a plain Error where the CPU can't be identified. */
  cpu(): Cpu;
}

export interface NativeSessionOptions {
  /** Threads that work on one image, 1 to 256. */
  readonly threads: number;
  readonly profile: boolean;
  readonly fp16: boolean;
  readonly sparse: boolean;
}

export interface NativeSession {
  /**
   * Runs the image at `inputOffset` floats into `input`, which is copied before this returns, and writes the outputs,
   * one after the other, `outputOffset` floats into `output`. Throws while an earlier run is under way.
   */
  run(input: Float32Array, inputOffset: number, output: Float32Array, outputOffset: number): Promise<void>;
  /**
   * Makes the network's input of pixels and runs it, all off the main thread. `pixels` are taken over (their ArrayBuffer is
   * detached, or copied where that can't be); where they are undefined, the preprocessor's copy is used. Throws while an
   * earlier run of the session, or of the preprocessor, is under way.
   *
   * @returns milliseconds until the input was made
   */
  runImage(
    preprocessor: NativePreprocessor,
    pixels: Uint8Array | Uint8ClampedArray | undefined,
    layout: PixelLayout,
    output: Float32Array,
    outputOffset: number,
  ): Promise<number>;
  /**
   * Makes the network's input of a JPEG file and runs it, all off the main thread: of the file of that name, or where it is
   * undefined, of the bytes that were copied to the preprocessor.
   *
   * @returns milliseconds; undefined where the file is not read here: then another decoder says what it is
   */
  runJpeg(
    preprocessor: NativePreprocessor,
    path: string | undefined,
    limits: JpegLimits,
    output: Float32Array,
    outputOffset: number,
  ): Promise<{ readonly decode: number; readonly preprocess: number } | undefined>;
  /**
   * Another session on so many threads over the same packed weights, made off the main thread; undefined where XNNPACK's
   * kernels for the plan do not take weights that are packed already.
   */
  another(threads: number): Promise<NativeSession | undefined>;
  profile(): OperatorTime[];
  /** Gives memory and threads back off the main thread. A run under way keeps what it needs until it is done. */
  dispose(): Promise<void>;
}

/** A preprocessing with every field; `resize` is 0 where there is none. */
export type NativePreprocessing = Required<Omit<Preprocessing, 'reduce' | 'assumed'>> & Pick<Preprocessing, 'reduce'>;

/** How much of a JPEG file is kept. */
export interface JpegLimits {
  /** Pixels each way, for each one the picture is resized to. */
  readonly perPixel: number;
  /** Or for each cell that is averaged, whichever is less. */
  readonly perCell: number;
  /** Memory of the pixels that are kept. */
  readonly bytes: number;
}

export interface NativePreprocessor {
  /** Copies bytes `begin` to `end` of a picture or a JPEG file, to be run later. `begin` 0 begins another. */
  copy(pixels: Uint8Array | Uint8ClampedArray, begin: number, end: number): void;
  /** Makes the network's input at once, on this thread. */
  run(pixels: Uint8Array | Uint8ClampedArray, layout: PixelLayout, output: Float32Array): void;
  /** The same of a JPEG file, see `NativeSession.runJpeg`. Gives whether it was read. */
  runJpeg(path: string | undefined, limits: JpegLimits, output: Float32Array): boolean;
}

/** What one operator of the last image took. */
export interface OperatorTime {
  /** The plan's layer, empty where XNNPACK rewrote the graph so that operators and layers no longer match. */
  readonly layer: string;
  /** XNNPACK's name of the operator, for example `Convolution (NHWC, F32) IGEMM`. */
  readonly operator: string;
  /** Milliseconds, measured to a microsecond. */
  readonly ms: number;
}

/** The CPU as the engine sees it. */
export interface Cpu {
  /** As the vendor or the kernel names it; empty where neither says. */
  readonly name: string;
  /** Instruction set extensions that decide which kernels run: `neon`, `dotprod`, `i8mm`, `fp16`, `avx512vnni`... */
  readonly features: readonly string[];
  readonly cores: number;
  /** Cores of the fastest kind. */
  readonly performanceCores: number;
}
