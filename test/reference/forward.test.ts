import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { RANDOM_NETWORKS, type RandomNetworkGolden, readGolden } from '../golden/files.js';
import { randomNetworkInput, randomNetworkTensors } from '../golden/randomNetwork.js';
import { referenceForward } from './forward.js';

const goldenDir = fileURLToPath(new URL('../golden', import.meta.url));

describe('the reference forward pass', () => {
  it.each(RANDOM_NETWORKS)('equals PyTorch in double precision on %s', (name) => {
    const { network, batches, range } = readGolden<RandomNetworkGolden>(goldenDir, name);
    const tensors = randomNetworkTensors(network);
    // One picture keeps this quick; the pictures of a batch do not meet anywhere in the network.
    const { images, float64 } = batches.at(-1)!;
    const shape = [1, network.inputSize[0], network.inputSize[1], 3] as const;
    const logits = referenceForward(tensors, randomNetworkInput(network, images.slice(0, 1)), shape);
    const expected = float64[0]!;
    expect(logits).toHaveLength(expected.length);
    expect(Math.max(...expected.map((value, i) => Math.abs(value - logits[i]!))) / range).toBeLessThan(1e-10);
  });

  it('names the tensor that is missing', () => {
    const { network } = readGolden<RandomNetworkGolden>(goldenDir, 'random-small-half-21');
    const tensors = randomNetworkTensors(network);
    tensors.delete('features.4.block.1.1.running_var');
    const input = new Float32Array(32 * 32 * 3);
    expect(() => referenceForward(tensors, input, [1, 32, 32, 3])).toThrow('features.4.block.1.1.running_var');
  });
});
