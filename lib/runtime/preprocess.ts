import { examined, invalidArgument } from '../errors.js';
import { type Frame, type Pixels, viewOf } from '../image/pixels.js';
import { type Preprocessing, type PreprocessingPreset, preprocessingFrom } from '../model/preprocessing.js';
import type { NativePreprocessing, NativePreprocessor } from './binding.js';
import { loadBinding } from './load/load.js';
import { callNative } from './nativeErrors.js';

/** Native preprocessors by what they do, so that pictures of one size after the other allocate nothing. */
const preprocessors = new WeakMap<Preprocessing, NativePreprocessor>();

/**
 * Makes the tensor a model expects from pixels, as its {@link Preprocessing} says, at once and on this thread. Where it is
 * antialiased, pixels are PIL's bit for bit; else it agrees with PyTorch's
 * `interpolate(..., mode='bilinear', align_corners=False)` to float32 rounding.
 *
 * @param preprocessing All of it, or a preset's name.
 * @param output Where to write, `[H, W, 3]` of `preprocessing.size`; a new array when absent.
 * @returns `[H, W, 3]` floats, RGB.
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_NATIVE_LOAD` without the addon
 */
export function preprocess(
  pixels: Pixels | Frame,
  preprocessing: Preprocessing | PreprocessingPreset,
  output?: Float32Array,
): Float32Array {
  const { data, layout } = viewOf(pixels, 'pixels');
  const isName = typeof preprocessing !== 'object' || preprocessing === null;
  const how = isName ? preprocessingFrom(preprocessing, 'preprocessing') : preprocessing;
  const native = preprocessorOf(how);
  const target = examined('output', 'a Float32Array', output, () => checkOutput(how, output));
  callNative(() => native.run(data, layout, target));
  return target;
}

function preprocessorOf(preprocessing: Preprocessing): NativePreprocessor {
  const known = preprocessors.get(preprocessing);
  if (known !== undefined) return known;
  const native = newPreprocessor(preprocessingFrom(preprocessing, 'preprocessing'));
  preprocessors.set(preprocessing, native);
  return native;
}

/** A native preprocessor of its own for who runs pictures on other threads. */
export function newPreprocessor(preprocessing: Preprocessing): NativePreprocessor {
  const { Preprocessor } = loadBinding();
  return callNative(() => new Preprocessor(withDefaults(preprocessing)));
}

function withDefaults(preprocessing: Preprocessing): NativePreprocessing {
  const { assumed: _, mean, range = [0, 1], ...rest } = preprocessing;
  const [low, high] = range;
  // The colour that normalizes closest to 0.
  const neutral = (channel: 0 | 1 | 2): number =>
    Math.min(255, Math.max(0, Math.round(((mean[channel] - low) / (high - low)) * 255)));
  return {
    fit: 'squash',
    resize: 0,
    interpolation: 'bilinear',
    antialias: false,
    fill: [neutral(0), neutral(1), neutral(2)],
    ...rest,
    range,
    mean,
  };
}

function checkOutput({ size: [height, width] }: Preprocessing, output: Float32Array | undefined): Float32Array {
  const length = height * width * 3;
  if (output === undefined) return new Float32Array(length);
  if (!(output instanceof Float32Array) || output.length !== length) {
    throw invalidArgument('output', `a Float32Array of ${height} x ${width} x 3 = ${length} numbers`, output);
  }
  return output;
}
