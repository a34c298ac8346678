import type { ObserveModel } from '../../lib/compress/calibrate/calibrate.js';
import type { RunModel } from '../../lib/compress/quantize/sensitivity.js';
import { encodeModel, readModel } from '../../lib/model/files.js';
import type { Model } from '../../lib/model/model.js';
import { createSession } from '../../lib/runtime/session.js';

/** Logits of a batch, on one thread. */
export async function runModel(model: Model, input: Float32Array): Promise<Float32Array> {
  const session = await createSession(model, { threads: 1 });
  try {
    return await session.run(input);
  } finally {
    await session.dispose();
  }
}

/** The engine as compression takes it. */
export const observe: ObserveModel = async function* (model, outputs, inputs) {
  const session = await createSession(model, { threads: 1, outputs });
  try {
    for (const input of inputs) yield await session.runAll(input);
  } finally {
    await session.dispose();
  }
};

/** Logits picture by picture. */
export const run: RunModel = async (model, inputs) => {
  const session = await createSession(model, { threads: 1 });
  try {
    const logits: Float32Array[] = [];
    for (const input of inputs) logits.push(await session.run(input));
    return logits;
  } finally {
    await session.dispose();
  }
};

/** The random models of the tests carry a key in their blocks that is no part of an architecture; files refuse it. */
export function plainArchitecture(model: Model): Model {
  const blocks = model.architecture.blocks.map(
    ({ kernel, input, expanded, output, squeeze, activation, stride, hasExpansion }) => {
      return { kernel, input, expanded, output, squeeze, activation, stride, hasExpansion };
    },
  );
  return { ...model, architecture: { ...model.architecture, blocks } };
}

/** `model` as its file gives it back. */
export function throughFile(model: Model): Promise<Model> {
  return readModel(encodeModel(plainArchitecture(model)));
}

/** `[N, H, W, 3]` as N pictures. */
export function pictures(batch: Float32Array, count: number): Float32Array[] {
  const size = batch.length / count;
  return Array.from({ length: count }, (_, i) => batch.slice(i * size, (i + 1) * size));
}

/** Root mean square of the difference over that of the expected numbers. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  let squares = 0;
  let own = 0;
  expected.forEach((value, i) => {
    squares += (actual[i]! - value) ** 2;
    own += value ** 2;
  });
  return Math.sqrt(squares / own);
}

/** Each channel of a value scaled so that they range over four orders of magnitude, as real checkpoints do. */
export function withUnevenChannels(source: Model): Model {
  const layers = new Map(source.layers);
  for (const name of ['features.2.block.2.0', 'features.3.block.2.0']) {
    const layer = layers.get(name)!;
    const grow = (values: Float32Array) => values.map((value, c) => value * (c % 8 === 0 ? 50 : 1));
    const batchNorm = { ...layer.batchNorm!, weight: grow(layer.batchNorm!.weight), bias: grow(layer.batchNorm!.bias) };
    layers.set(name, { ...layer, batchNorm });
  }
  return { ...source, layers };
}
