import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceForward } from '../reference/forward.js';
import { floatsOf, type PruneGolden, type RandomNetworkGolden, readGolden } from './files.js';
import { flagsSha256, torchMask } from './masks.js';
import { randomNetworkInput, randomNetworkTensors, type Tensor } from './randomNetwork.js';

const goldenDir = fileURLToPath(new URL('.', import.meta.url));

describe('the prune goldens of random-small-37', () => {
  const { network, range } = readGolden<RandomNetworkGolden>(goldenDir, 'random-small-37');
  const golden = readGolden<PruneGolden>(goldenDir, 'prune-random-small-37');
  const tensors = randomNetworkTensors(network);
  const pruned = new Map<string, Tensor>(tensors);
  for (const layer of golden.layers) {
    const { shape, data } = tensors.get(`${layer.name}.weight`)!;
    const mask = torchMask(layer, data);
    pruned.set(`${layer.name}.weight`, { shape, data: data.map((w, i) => (mask[i] ? 0 : w)) });
  }

  it('rebuild the mask torch chose for each of the 54 layers', () => {
    expect(golden.layers).toHaveLength(54);
    for (const layer of golden.layers) {
      const weight = tensors.get(`${layer.name}.weight`)!.data;
      const mask = torchMask(layer, weight);
      expect(flagsSha256(mask), layer.name).toBe(layer.maskSha256);
      expect(flagsSha256(Array.from(weight, (w) => Math.abs(w) < layer.threshold)), layer.name).toBe(layer.belowSha256);
      expect(mask.filter(Boolean), layer.name).toHaveLength(layer.pruned);
      expect(
        pruned.get(`${layer.name}.weight`)!.data.filter((w) => w === 0),
        layer.name,
      ).toHaveLength(layer.zeros);
    }
  });

  it('hold the logits of the network under that mask', () => {
    const shape = [1, network.inputSize[0], network.inputSize[1], 3] as const;
    const logits = referenceForward(pruned, randomNetworkInput(network, [golden.images[0]!]), shape);
    const expected = floatsOf(golden.logits).subarray(0, logits.length);
    expect(Math.max(...expected.map((value, i) => Math.abs(value - logits[i]!))) / range).toBeLessThan(1e-5);
  });
});
