// Every variant of a model on one picture, for comparison between machines.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { toFp16 } from '../../lib/compress/stages/fp16.js';
import { prune } from '../../lib/compress/stages/prune.js';
import { createSession, type Model, readModel } from '../../lib/index.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

const folder = (): string => process.env['NEONSENSE_MODELS'] ?? 'models';

/**
 * Logits of each shipped model, and of variants that are not shipped, on a fixed picture, by name: `[classes]`.
 *
 * @param fp16 computes in half precision
 */
export async function classifyAll(fp16 = false): Promise<Record<string, number[]>> {
  const results: Record<string, number[]> = {};
  const classify = async (name: string, model: Model): Promise<void> => {
    await using session = await createSession(model, { threads: 1, fp16 });
    results[name] = [...(await session.run(smoothImage(model)))];
  };
  for (const file of readdirSync(folder()).filter((name) => name.endsWith('.safetensors'))) {
    await classify(file, await readModel(join(folder(), file)));
  }
  await classify('fp16 storage', toFp16(await readModel(join(folder(), 'household-fp32.safetensors'))));
  await classify('80 % zeros', mostlyZero());
  return results;
}

/** Names of the operators that run the model whose 1x1 convolutions are 80 % zeros. */
export async function operatorsOfMostlyZero(): Promise<string[]> {
  return operatorsOf(mostlyZero());
}

/** The instruction sets of the depthwise convolutions that run a shipped model. */
export async function depthwiseKernelsOf(file: string, fp16 = false): Promise<string[]> {
  const operators = await operatorsOf(await readModel(join(folder(), file)), fp16);
  return operators.flatMap((name) => /^neonsense depthwise .* \((.*)\)$/.exec(name)?.[1] ?? []);
}

async function operatorsOf(model: Model, fp16 = false): Promise<string[]> {
  await using session = await createSession(model, { threads: 1, profile: true, fp16 });
  await session.run(smoothImage(model));
  return session.profile().map(({ operator }) => operator);
}

/** A network with torchvision's padding, for XNNPACK's sparse kernels know no other, and random weights: those shipped have "same". */
function mostlyZero(): Model {
  const model = randomModel({ architecture: torchvisionArchitecture(), size: 224, folded: true });
  const targets = ({ kind, groups, shape }: { kind: string; groups: number; shape: readonly number[] }): boolean =>
    kind === 'conv2d' && groups === 1 && shape[2] === 1;
  return prune(model, { amount: 0.8, targets }).model;
}

/** A picture with structure at several scales; noise alone would leave every logit near the others. */
function smoothImage(model: Model): Float32Array {
  const [height, width] = model.preprocessing.size;
  const image = new Float32Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const disc = Math.hypot(x - width / 2, y - height / 2) < width / 3 ? 1.5 : -1;
      for (let c = 0; c < 3; c++) {
        image[(y * width + x) * 3 + c] = disc + 0.5 * Math.sin(x / 17 + c) * Math.cos(y / 23);
      }
    }
  }
  return image;
}
