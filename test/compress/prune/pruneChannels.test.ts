import { describe, expect, it } from 'vitest';
import { prune } from '../../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../../lib/compress/stages/quantizeDynamic.js';
import { encodeModel } from '../../../lib/model/files.js';
import type { Layer, Model } from '../../../lib/model/model.js';
import { layerSpecs } from '../../../lib/model/network.js';
import { randomImages, randomModel } from '../../randomModel.js';
import { runModel, throughFile } from '../running.js';

/** The model with some expanded channels of block 5 made to pass on nothing at all. */
function withDeadChannels(model: Model, dead: readonly number[]): Model {
  const name = 'features.5.block.1.0';
  const layer = model.layers.get(name)!;
  const quiet = (values: Float32Array) => values.map((value, c) => (dead.includes(c) ? 0 : value));
  const batchNorm = layer.batchNorm!;
  // Hard-swish of 0 is 0, so weight 0 and bias 0 silence the channel.
  const silenced: Layer = {
    ...layer,
    batchNorm: { ...batchNorm, weight: quiet(batchNorm.weight), bias: quiet(batchNorm.bias) },
  };
  return { ...model, layers: new Map(model.layers).set(name, silenced) };
}

describe('channel pruning', () => {
  it('shrinks every layer that makes or reads the channels, and the file', async () => {
    const model = randomModel();
    const { model: pruned, report } = prune(model, { method: 'channels', amount: 0.5 });
    const specs = layerSpecs(pruned.architecture);
    for (const { name, shape } of specs) {
      expect(pruned.layers.get(name)!.weights.data, name).toHaveLength(shape.reduce((a, b) => a * b, 1));
    }
    expect(report.parametersAfter).toBeLessThan(0.7 * report.parametersBefore);
    expect(encodeModel(pruned).length).toBeLessThan(0.8 * encodeModel(model).length);
    expect(pruned.architecture.blocks[5]!.expanded).toBe(24);
    expect(pruned.architecture.last).toBe(40);
    expect(pruned.architecture.hidden).toBe(32);
    const first = report.channels.find(({ name }) => name === 'features.1')!;
    expect(first.reason).toMatch(/no expansion/);
    expect(await runModel(pruned, randomImages(model, 1))).toHaveLength(10);
    expect((await throughFile(pruned)).architecture.blocks[5]!.expanded).toBe(24);
  });

  it('removes dead channels first and then computes what the network computed', async () => {
    const dead = [0, 3, 7, 8, 20, 21, 30, 47];
    const model = withDeadChannels(randomModel(), dead);
    const { report } = prune(model, { method: 'channels', amount: 8 / 48, widths: ['expanded'] });
    const kept = report.channels.find(({ name }) => name === 'features.5')!.kept;
    expect(kept.filter((c) => dead.includes(c))).toEqual([]);
    expect(kept).toHaveLength(40);

    // Only that block, so that nothing else is lost: its channels carry nothing, so no logit may move.
    const only = { ...model, architecture: { ...model.architecture } };
    const shrunk = prune(only, { method: 'channels', amount: 8 / 48, widths: ['expanded'] }).model;
    const layers = new Map(model.layers);
    for (const [name, layer] of shrunk.layers) if (name.startsWith('features.5.')) layers.set(name, layer);
    const blocks = model.architecture.blocks.map((block, i) => (i === 4 ? shrunk.architecture.blocks[4]! : block));
    const input = randomImages(model, 2);
    const expected = await runModel(model, input);
    const actual = await runModel({ ...model, layers, architecture: { ...model.architecture, blocks } }, input);
    const scale = Math.max(...expected.map(Math.abs));
    expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!))) / scale).toBeLessThan(1e-5);
  });

  it('keeps widths a multiple of what is asked for', () => {
    const { model } = prune(randomModel(), { method: 'channels', amount: 0.3, multiple: 4 });
    for (const { expanded } of model.architecture.blocks) expect(expanded % 4).toBe(0);
  });

  it('refuses an int8 model', () => {
    expect(() => prune(quantizeDynamic(randomModel()), { method: 'channels' })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });
});
