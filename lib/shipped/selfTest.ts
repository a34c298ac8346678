import { join } from 'node:path';
import { inSinglePrecision, toHalf } from '../compress/quantize/fp16.js';
import { toInt8Dynamic } from '../compress/quantize/quantizeDynamic.js';
import type { Pixels } from '../image/pixels.js';
import { readModel } from '../model/files.js';
import type { Model, Precision } from '../model/model.js';
import { compareLogits } from '../numbers/compareLogits.js';
import { preprocess } from '../runtime/preprocess.js';
import { createSession, type SessionOptions } from '../runtime/session.js';
import { presentVariants } from './chooseVariant.js';
import type { Manifest } from './manifest.js';

/** Whether one precision computes here what it should. */
export interface SelfTestResult {
  readonly precision: Precision | 'fp16 arithmetic';
  readonly state: 'passed' | 'failed' | 'skipped';
  /** Which model ran, or why none did. */
  readonly what: string;
  /** Largest difference of a logit to the recorded one, as a share of their range; null where nothing ran. */
  readonly difference: number | null;
  /** The most that `difference` may be. */
  readonly tolerance: number;
}

/**
 * Largest differences allowed, as shares of the logits' range. FP32 differs between CPUs only by the order of sums; the
 * others by what the precision costs on a drawn picture, which is unlike the photos that static ranges were calibrated
 * on: on x64 and emulated ARM 0.1 %, 0.9 %, 3 % and 15 % were seen. A kernel that computes wrongly misses by more.
 */
const TOLERANCES = {
  fp32: 0.001,
  fp16: 0.02,
  'fp16 arithmetic': 0.05,
  'int8-dynamic': 0.25,
  'int8-static': 0.4,
} as const;

const SIZE = 32;

/** The built-in picture: a clock at ten past ten, `[32, 32, 3]`, drawn so that no picture decoder is needed. */
export function selfTestPicture(): Pixels {
  const data = new Uint8Array(SIZE * SIZE * 3);
  const middle = (SIZE - 1) / 2;
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const [dx, dy] = [x - middle, y - middle];
      const radius = Math.hypot(dx, dy);
      const onHand = isOnHand(dx, dy, -60, 6) || isOnHand(dx, dy, 60, 9);
      const mark = radius > 9.5 && radius < 11 && Math.abs(Math.round((Math.atan2(dy, dx) * 6) / Math.PI) % 3) === 0;
      const colour =
        radius > 14 ? [196, 186, 170] : radius > 11.5 ? [70, 50, 40] : onHand || mark ? [20, 20, 20] : [245, 242, 232];
      data.set(colour, (y * SIZE + x) * 3);
    }
  }
  return { data, width: SIZE, height: SIZE, channels: 3 };
}

/** Whether a point lies on a hand that points `degrees` from twelve. */
function isOnHand(dx: number, dy: number, degrees: number, length: number): boolean {
  const angle = (degrees * Math.PI) / 180;
  const along = dx * Math.sin(angle) - dy * Math.cos(angle);
  const across = dx * Math.cos(angle) + dy * Math.sin(angle);
  return along >= -1 && along <= length && Math.abs(across) <= 0.8;
}

/** A model's logits for the built-in picture, `[classes]`. */
export async function selfTestLogits(model: Model, options: SessionOptions = {}): Promise<Float32Array> {
  await using session = await createSession(model, options);
  return session.run(preprocess(selfTestPicture(), model.preprocessing));
}

/**
 * Runs the built-in picture in every precision and compares with the logits recorded in the manifest for the first
 * float model that is there. Where that one is stored in half precision, its weights are brought back to single for
 * the FP32 test, so both kinds of weights are tried in any case.
 *
 * @param features of the CPU
 * @param folder of the models
 * @returns one result each; never throws
 */
export async function selfTest(
  manifest: Manifest,
  features: readonly string[],
  folder: string,
): Promise<SelfTestResult[]> {
  const present = presentVariants(manifest, folder);
  // The first of a precision only: it is made from the reference, while others may come of another training.
  const fileOf = (precision: Precision): string | undefined => {
    const first = manifest.variants.find((variant) => variant.precision === precision);
    return first !== undefined && present.includes(first) ? first.file : undefined;
  };
  // Without any, the first: reading it then fails with a message that names the file.
  const recorded =
    manifest.selfTest.find(({ variant }) => present.some(({ name }) => name === variant)) ?? manifest.selfTest[0]!;
  const reference = manifest.variants.find(({ name }) => name === recorded.variant)!;
  const float = async (): Promise<Model> => inSinglePrecision(await readModel(join(folder, reference.file)));
  const results: SelfTestResult[] = [];
  const test = async (
    precision: SelfTestResult['precision'],
    what: string,
    load: () => Promise<Model>,
    options: SessionOptions = {},
  ): Promise<void> => {
    const tolerance = TOLERANCES[precision];
    try {
      const logits = await selfTestLogits(await load(), { threads: 1, ...options });
      const expected = Float32Array.from(recorded.logits);
      const { relative: difference, agreement } = compareLogits(expected, logits, expected.length);
      const right = difference <= tolerance && agreement === 1;
      results.push({ precision, state: right ? 'passed' : 'failed', what, difference, tolerance });
    } catch (error) {
      results.push({
        precision,
        state: 'failed',
        what: `${what}: ${(error as Error).message}`,
        difference: null,
        tolerance,
      });
    }
  };
  const skip = (precision: SelfTestResult['precision'], what: string): void => {
    results.push({ precision, state: 'skipped', what, difference: null, tolerance: TOLERANCES[precision] });
  };

  await test('fp32', reference.file, float);
  const half = fileOf('fp16');
  if (half !== undefined) await test('fp16', half, () => readModel(join(folder, half)));
  else await test('fp16', `${reference.file}, stored in half precision`, async () => toHalf(await float()));
  if (features.includes('fp16')) {
    await test('fp16 arithmetic', `${reference.file}, computed in half precision`, float, { fp16: true });
  } else {
    skip('fp16 arithmetic', 'this CPU has none; half-precision weights run as float');
  }
  const dynamic = fileOf('int8-dynamic');
  // A package may come without the file; the kernels are the same.
  if (dynamic !== undefined) await test('int8-dynamic', dynamic, () => readModel(join(folder, dynamic)));
  else await test('int8-dynamic', `${reference.file}, quantized`, async () => toInt8Dynamic(await float()));
  const fixed = fileOf('int8-static');
  if (fixed !== undefined) {
    await test('int8-static', fixed, () => readModel(join(folder, fixed)));
  } else {
    skip('int8-static', 'no model of this kind comes with the package');
  }
  return results;
}
