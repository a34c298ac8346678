/**
 * The golden checks as plain functions: the tests call them under vitest, and the arm64 proof calls them in a bare Node
 * under an emulator, with the library built for it. So they import nothing but Node's own modules and their neighbours.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ActivationsGolden,
  type CheckpointGolden,
  floatsOf,
  type RandomNetworkGolden,
  readGolden,
} from './files.js';
import { randomNetworkInput, randomNetworkTensors, safetensorsBytes } from './randomNetwork.js';

/** What the checks use of the library. */
export type Library = Pick<typeof import('../../lib/index.js'), 'readModel' | 'createSession' | 'preprocess'>;

/** Largest distance from PyTorch's logits that is accepted, as a share of their range. */
export const TOLERANCE = 1e-4;

const SIDE = 32;
const PIXELS = SIDE * SIDE * 3;
const IMAGES_PER_RUN = 20;

export interface LogitsResult {
  readonly images: number;
  /** Largest distance from PyTorch's logits as a share of their range. */
  readonly difference: number;
}

export interface CheckpointResult extends LogitsResult {
  /** Pictures whose label came first, and among the first five. */
  readonly top1: number;
  readonly top5: number;
}

/**
 * Runs a seeded random network in the batches its golden file holds.
 *
 * @param name Golden file without `.json`.
 * @throws Error when logits are farther from PyTorch's than {@link TOLERANCE} or another class comes first.
 */
export async function checkRandomNetwork(
  lib: Library,
  options: { goldenDir: string; name: string; threads: number },
): Promise<LogitsResult> {
  const { network, batches, range } = readGolden<RandomNetworkGolden>(options.goldenDir, options.name);
  const folder = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    const file = join(folder, `${options.name}.safetensors`);
    writeFileSync(file, safetensorsBytes(randomNetworkTensors(network)));
    const session = await lib.createSession(await lib.readModel(file), { threads: options.threads });
    try {
      let difference = 0;
      let images = 0;
      for (const batch of batches) {
        const logits = await session.run(randomNetworkInput(network, batch.images));
        const what = `${options.name}, batch of ${batch.images.length}`;
        difference = Math.max(difference, compare(what, logits, floatsOf(batch.logits), range, batch.images));
        images += batch.images.length;
      }
      return { images, difference };
    } finally {
      await session.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs a checkpoint of the shared folder on the household test pictures, raw pixels through `preprocess`.
 *
 * @param every Takes each n-th picture only, where an emulator is too slow for all 1,000. Default 1.
 * @throws Error when the checkpoint is not the one of the golden file, logits are farther from PyTorch's than
 * {@link TOLERANCE}, another class comes first, or (over all pictures) the counts of right answers differ.
 */
export async function checkCheckpoint(
  lib: Library,
  options: { goldenDir: string; sharedDir: string; name: string; threads: number; every?: number },
): Promise<CheckpointResult> {
  const golden = readGolden<CheckpointGolden>(options.goldenDir, options.name);
  const file = checkpointFile(options.sharedDir, golden.checkpoint.file);
  if (createHash('sha256').update(readFileSync(file)).digest('hex') !== golden.checkpoint.sha256) {
    throw new Error(`${golden.checkpoint.file} is not the file the golden logits were made with`);
  }
  const pixels = householdPixels(options.sharedDir);
  const labels = readFileSync(join(options.sharedDir, 'data', 'household_test_labels.bin'));
  const expected = floatsOf(golden.logits);
  const expectedTop1 = Buffer.from(golden.top1, 'base64');
  const classes = golden.logits.shape[1]!;
  const chosen = Array.from({ length: labels.length }, (_, i) => i).filter((i) => i % (options.every ?? 1) === 0);

  const model = await lib.readModel(file);
  const session = await lib.createSession(model, { threads: options.threads });
  try {
    const [height, width] = model.preprocessing.size;
    const size = height * width * 3;
    let difference = 0;
    let top1 = 0;
    let top5 = 0;
    for (let start = 0; start < chosen.length; start += IMAGES_PER_RUN) {
      const indices = chosen.slice(start, start + IMAGES_PER_RUN);
      const input = new Float32Array(indices.length * size);
      indices.forEach((index, n) => {
        const data = pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
        const target = input.subarray(n * size, (n + 1) * size);
        lib.preprocess({ data, width: SIDE, height: SIDE, channels: 3 }, model.preprocessing, target);
      });
      const logits = await session.run(input);
      const torch = Float32Array.from({ length: logits.length }, (_, i) => {
        return expected[indices[Math.floor(i / classes)]! * classes + (i % classes)]!;
      });
      difference = Math.max(difference, compare(options.name, logits, torch, golden.range, indices));
      indices.forEach((index, n) => {
        const row = logits.subarray(n * classes, (n + 1) * classes);
        if (rankOf(row, expectedTop1[index]!) !== 0) {
          throw new Error(`${options.name}, picture ${index}: PyTorch puts class ${expectedTop1[index]} first`);
        }
        const rank = rankOf(row, labels[index]!);
        if (rank === 0) top1++;
        if (rank < 5) top5++;
      });
    }
    const { correct } = golden;
    if (chosen.length === correct.images && (top1 !== correct.top1 || top5 !== correct.top5)) {
      throw new Error(
        `${options.name}: ${top1} right, ${top5} among the first five; PyTorch gets ${correct.top1}, ${correct.top5}`,
      );
    }
    return { images: chosen.length, difference, top1, top5 };
  } finally {
    await session.dispose();
  }
}

/**
 * Compares the mean and mean magnitude of every layer's output with PyTorch's, on one picture: where logits are wrong,
 * the first layer it names is the one to look at.
 *
 * @returns How many values were compared, and the largest distance of a mean as a share of the value's mean magnitude.
 * @throws Error naming the first layer whose means are farther off than {@link TOLERANCE}.
 */
export async function checkActivations(
  lib: Library,
  options: { goldenDir: string; sharedDir: string; threads: number },
): Promise<{ values: number; difference: number }> {
  const golden = readGolden<ActivationsGolden>(options.goldenDir, 'activations');
  const modules = new Map(golden.modules.map((module) => [module.name, module]));
  const data = householdPixels(options.sharedDir).subarray(golden.image * PIXELS, (golden.image + 1) * PIXELS);
  const model = await lib.readModel(checkpointFile(options.sharedDir, golden.checkpoint));
  const session = await lib.createSession(model, { threads: options.threads, outputs: valuesOf(golden) });
  try {
    const input = lib.preprocess({ data, width: SIDE, height: SIDE, channels: 3 }, model.preprocessing);
    let values = 0;
    let largest = 0;
    for (const [name, value] of Object.entries(await session.runAll(input))) {
      const module = modules.get(moduleOf(name, modules))!;
      let sum = 0;
      let magnitude = 0;
      for (const x of value) {
        sum += x;
        magnitude += Math.abs(x);
      }
      const count = module.shape.reduce((product, side) => product * side, 1);
      const off = Math.max(Math.abs(sum / count - module.mean), Math.abs(magnitude / count - module.meanAbs));
      if (value.length !== count || !(off <= TOLERANCE * module.meanAbs)) {
        throw new Error(
          `${name}: mean ${sum / count}, mean magnitude ${magnitude / count}, ${value.length} values; ` +
            `PyTorch's ${module.name} has ${module.mean}, ${module.meanAbs}, ${count} values`,
        );
      }
      values++;
      largest = Math.max(largest, off / module.meanAbs);
    }
    return { values, difference: largest };
  } finally {
    await session.dispose();
  }
}

/** Names of the values that equal the output of a PyTorch module; see `moduleOf`. */
function valuesOf({ modules }: ActivationsGolden): string[] {
  const shapes = new Map(modules.map(({ name, shape }) => [name, shape.join()]));
  return modules.flatMap(({ name, module, shape }) => {
    if (name === 'avgpool') return ['pool'];
    const before = /^features\.(\d+)$/.exec(name)?.[1];
    // A block adds its input where that has the shape of its output.
    if (before !== undefined && module === 'InvertedResidual') {
      return shapes.get(`features.${Number(before) - 1}`) === shape.join() ? [`${name}.add`] : [];
    }
    return (module === 'Conv2d' && name.endsWith('.0')) || module === 'Linear' ? [name] : [];
  });
}

/**
 * The PyTorch module whose output a value of the plan equals. A convolution's value has its batch norm folded in and is
 * clamped where a ReLU follows; those of squeeze-and-excitation, whose hard-sigmoid is folded into a layer, are left out.
 */
function moduleOf(value: string, modules: ReadonlyMap<string, { readonly module: string }>): string {
  if (value === 'pool') return 'avgpool';
  const residual = /^(features\.\d+)\.add$/.exec(value);
  if (residual) return residual[1]!;
  const convolution = /^(features\..*)\.0$/.exec(value);
  if (convolution) {
    const activation = `${convolution[1]}.2`;
    return modules.get(activation)?.module === 'ReLU' ? activation : `${convolution[1]}.1`;
  }
  return value;
}

function compare(
  what: string,
  actual: Float32Array,
  expected: Float32Array,
  range: number,
  images: readonly number[],
): number {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} logits instead of ${expected.length}`);
  }
  const classes = expected.length / images.length;
  let largest = 0;
  for (let n = 0; n < images.length; n++) {
    for (let c = 0; c < classes; c++) {
      const at = n * classes + c;
      const difference = Math.abs(actual[at]! - expected[at]!) / range;
      // Written so that NaN fails too.
      if (!(difference <= TOLERANCE)) {
        throw new Error(`${what}, picture ${images[n]}, class ${c}: ${actual[at]}, PyTorch has ${expected[at]}`);
      }
      largest = Math.max(largest, difference);
    }
    const best = rankOf(expected.subarray(n * classes, (n + 1) * classes), largestIndex(actual, n * classes, classes));
    if (best !== 0) throw new Error(`${what}, picture ${images[n]}: another class comes first than in PyTorch`);
  }
  return largest;
}

function largestIndex(values: Float32Array, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}

/** How many entries are larger than that of `index`. */
function rankOf(logits: Float32Array, index: number): number {
  return logits.reduce((rank, value) => rank + (value > logits[index]! ? 1 : 0), 0);
}

function householdPixels(sharedDir: string): Uint8Array {
  return readFileSync(join(sharedDir, 'data', 'household_test.bin'));
}

function checkpointFile(sharedDir: string, name: string): string {
  return join(sharedDir, 'checkpoints', name);
}
