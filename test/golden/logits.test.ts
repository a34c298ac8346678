import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as lib from '../../lib/index.js';
import { describeShared } from '../shared.js';
import { checkActivations, checkCheckpoint, checkRandomNetwork, TOLERANCE } from './checks.js';
import { RANDOM_NETWORKS } from './files.js';

const goldenDir = fileURLToPath(new URL('.', import.meta.url));
/** On an emulated CPU (scripts/proof/test-x64.mjs) a picture takes seconds. */
const emulated = process.env['NEONSENSE_TEST_NODE'] !== undefined;
/** Every how many of the 1,000 pictures. */
const EVERY = emulated ? 250 : 1;

describe('logits of seeded random networks equal those of PyTorch', () => {
  it.each(emulated ? (['random-small-37'] as const) : RANDOM_NETWORKS)(
    '%s, one picture and a batch of four',
    async (name) => {
      const { images, difference } = await checkRandomNetwork(lib, { goldenDir, name, threads: 1 });
      expect(images).toBe(5);
      expect(difference).toBeLessThanOrEqual(TOLERANCE);
    },
  );

  it.skipIf(emulated)('on two threads as well', async () => {
    await checkRandomNetwork(lib, { goldenDir, name: 'random-small-37', threads: 2 });
  });
});

describeShared('checkpoints on the 1,000 household test pictures', (sharedDir) => {
  // The counts that PyTorch 1.13 itself gets, spelled out: 86.0 % / 98.9 % and 90.4 % / 99.0 %.
  it.each([
    ['udacisense-fp32', 860, 989],
    ['household-first', 904, 990],
  ])("%s has PyTorch's logits, first classes and counts", async (name, top1, top5) => {
    const result = await checkCheckpoint(lib, { goldenDir, sharedDir, name, threads: 2, every: EVERY });
    expect(result.images).toBe(1000 / EVERY);
    if (EVERY === 1) expect(result).toMatchObject({ top1, top5 });
    expect(result.difference).toBeLessThanOrEqual(TOLERANCE);
  });

  it("has PyTorch's activations in every layer", async () => {
    const { values } = await checkActivations(lib, { goldenDir, sharedDir, threads: 1 });
    // 34 convolutions outside squeeze-and-excitation, 6 residual sums, the pooling and two linear layers.
    expect(values).toBe(34 + 6 + 1 + 2);
  });
});
