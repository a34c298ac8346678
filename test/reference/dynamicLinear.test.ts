import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { floatsOf, type QuantizeDynamicGolden, type RandomNetworkGolden, readGolden } from '../golden/files.js';
import { randomNetworkTensors } from '../golden/randomNetwork.js';
import { dynamicClassifier, quantizeWeightLikeTorch } from './dynamicLinear.js';

const goldenDir = fileURLToPath(new URL('../golden', import.meta.url));

describe('the reference for quantize_dynamic', () => {
  const golden = readGolden<QuantizeDynamicGolden>(goldenDir, 'quantize-dynamic-random-small-37');
  const tensors = randomNetworkTensors(readGolden<RandomNetworkGolden>(goldenDir, 'random-small-37').network);
  const layer = (name: string) =>
    [quantizeWeightLikeTorch(tensors.get(`${name}.weight`)!.data), tensors.get(`${name}.bias`)!.data] as const;

  it('makes the int8 weights and scales that torch makes', () => {
    for (const { name, scale, int8Sha256 } of golden.layers) {
      const [weight] = layer(name);
      expect(weight.scale).toBe(scale);
      expect(createHash('sha256').update(weight.data).digest('hex')).toBe(int8Sha256);
    }
  });

  it('turns the pooled features of each picture into the logits of torch', () => {
    const features = floatsOf(golden.features);
    const expected = floatsOf(golden.logits);
    const [count, width] = golden.features.shape as [number, number];
    const classes = golden.logits.shape[1]!;
    const layers = [layer('classifier.0'), layer('classifier.3')] as const;
    for (let n = 0; n < count; n++) {
      const logits = dynamicClassifier(features.subarray(n * width, (n + 1) * width), layers);
      const worst = Math.max(...logits.map((value, i) => Math.abs(value - expected[n * classes + i]!)));
      expect(worst, `picture ${n}`).toBeLessThan(2e-5);
    }
  });
});
