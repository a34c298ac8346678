import { describe, expect, it } from 'vitest';
import { type CompressStage, checkStages, runStages } from '../../lib/compress/pipeline.js';
import { tinyLayers } from '../../lib/compress/quantize/quantizeDynamic.js';
import { sensitiveLayers } from '../../lib/compress/quantize/quantizeStatic.js';
import { checkGoals, parseGoals } from '../../lib/compress/report/goals.js';
import { layerStatistics } from '../../lib/compress/report/layerStatistics.js';
import { reportJson, reportMarkdown } from '../../lib/compress/report/report.js';
import { reportHtml } from '../../lib/compress/report/reportHtml.js';
import { prune } from '../../lib/compress/stages/prune.js';
import { quantizeDynamic } from '../../lib/compress/stages/quantizeDynamic.js';
import {
  COMPRESS_ENGINE,
  compareModels,
  compress,
  type ModelScore,
  type NamedModel,
} from '../../lib/measure/compress.js';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import type { Model } from '../../lib/model/model.js';
import { layerSpecs } from '../../lib/model/network.js';
import { toFloat32 } from '../../lib/model/weights.js';
import fc from '../fastCheck.js';
import { randomImages, randomModel } from '../randomModel.js';
import { pictures, plainArchitecture, relativeError, run, runModel, withUnevenChannels } from './running.js';

const model = plainArchitecture(randomModel());
const calibration = pictures(randomImages(model, 8, 5), 8);
const code = (expected: string) => expect.objectContaining({ code: expected });

/** Scores models by how often they agree with the first: no labels needed. */
async function scoreByAgreement(models: readonly NamedModel[]): Promise<ModelScore[]> {
  const input = pictures(randomImages(model, 6, 9), 6);
  const best = (logits: Float32Array) => logits.indexOf(Math.max(...logits));
  const reference = (await run(models[0]!.model, input)).map(best);
  return Promise.all(
    models.map(async ({ model: scored }) => {
      const own = (await run(scored, input)).map(best);
      const share = own.filter((c, i) => c === reference[i]).length / own.length;
      return { images: own.length, top1: share, top5: 1, agreement: { baseline: share } };
    }),
  );
}

describe('the pipeline', () => {
  it('gives what the stages give one after another', async () => {
    const stages: CompressStage[] = [
      { stage: 'prune', amount: 0.5 },
      { stage: 'quantize-dynamic', scope: 'all' },
    ];
    const outcomes = await runStages(model, stages, { engine: COMPRESS_ENGINE });
    const expected = quantizeDynamic(prune(model, { amount: 0.5 }).model, { scope: 'all' });
    expect(outcomes.map(({ name }) => name)).toEqual(['prune', 'quantize-dynamic']);
    expect(outcomes[1]!.model.layers).toEqual(expected.layers);
    expect(outcomes[1]!.model.provenance.map(({ step }) => step)).toEqual(['prune', 'quantize-dynamic']);
  });

  it('takes stages in any order that makes sense', async () => {
    const orders: CompressStage[][] = [
      [{ stage: 'quantize-dynamic' }, { stage: 'prune', amount: 0.3 }],
      [{ stage: 'fp16' }, { stage: 'prune' }, { stage: 'quantize-static' }],
      [{ stage: 'prune', method: 'channels' }, { stage: 'prune' }, { stage: 'recalibrate' }, { stage: 'fp16' }],
      [
        { stage: 'prune', method: 'channels' },
        { stage: 'prune' },
        { stage: 'reconstruct' },
        { stage: 'quantize-dynamic' },
      ],
    ];
    const input = randomImages(model, 1);
    for (const stages of orders) {
      const outcomes = await runStages(model, stages, { engine: COMPRESS_ENGINE, calibration });
      const logits = await runModel(outcomes.at(-1)!.model, input);
      expect(logits.every(Number.isFinite)).toBe(true);
    }
    const twice = await runStages(model, orders[2]!, { engine: COMPRESS_ENGINE, calibration });
    expect(twice.map(({ name }) => name)).toEqual(['prune-1', 'prune-2', 'recalibrate', 'fp16']);
  });

  it('says how far static calibration is', async () => {
    const told: unknown[] = [];
    const onProgress = (...progress: unknown[]): void => void told.push(progress);
    await runStages(model, [{ stage: 'quantize-static' }], { engine: COMPRESS_ENGINE, calibration, onProgress });
    expect(told).toContainEqual(['pictures calibrated', calibration.length, calibration.length]);
  });

  it('quantizes statically with the sensitive layers in float by default', async () => {
    const [outcome] = await runStages(model, [{ stage: 'quantize-static' }], { engine: COMPRESS_ENGINE, calibration });
    const float = [...outcome!.model.layers].filter(([, { weights }]) => weights.type === 'f32').map(([name]) => name);
    expect(float).toEqual(sensitiveLayers(model.architecture));
    for (const { name, groups } of layerSpecs(model.architecture)) if (groups > 1) expect(float).toContain(name);
    const input = randomImages(model, 4, 9);
    expect(relativeError(await runModel(outcome!.model, input), await runModel(model, input))).toBeLessThan(0.1);
  });

  it("corrects the biases of dynamic int8 where calibration data are there, but not in PyTorch's scope", async () => {
    const outcomeOf = async (stage: CompressStage) =>
      (await runStages(model, [stage], { engine: COMPRESS_ENGINE, calibration }))[0]!.model;
    const input = randomImages(model, 8, 9);
    const expected = await runModel(model, input);
    const corrected = await outcomeOf({ stage: 'quantize-dynamic', equalize: false });
    const plain = await outcomeOf({ stage: 'quantize-dynamic', equalize: false, biasCorrection: false });
    expect(plain.layers).toEqual(quantizeDynamic(model).layers);
    expect(relativeError(await runModel(corrected, input), expected)).toBeLessThan(
      relativeError(await runModel(plain, input), expected),
    );
    const linear = await outcomeOf({ stage: 'quantize-dynamic', scope: 'linear' });
    expect(linear.layers).toEqual(quantizeDynamic(model, { scope: 'linear' }).layers);
  });

  it('evens out channels before dynamic int8, so that only the smallest layers stay in float', async () => {
    const uneven = withUnevenChannels(model);
    const outcomeOf = async (equalize: boolean) => {
      const stage = { stage: 'quantize-dynamic', equalize, keepFloat: tinyLayers(model.architecture) } as const;
      return (await runStages(uneven, [stage], { engine: COMPRESS_ENGINE, calibration }))[0]!.model;
    };
    const input = randomImages(model, 8, 9);
    const expected = await runModel(uneven, input);
    const even = await outcomeOf(true);
    expect(relativeError(await runModel(even, input), expected)).toBeLessThan(
      0.8 * relativeError(await runModel(await outcomeOf(false), input), expected),
    );
    const [byDefault] = await runStages(uneven, [{ stage: 'quantize-dynamic' }], {
      engine: COMPRESS_ENGINE,
      calibration,
    });
    expect(byDefault!.model.layers).toEqual(even.layers);
    expect(byDefault!.model.provenance.at(-1)!.details).toMatchObject({ equalize: true, biasCorrection: true });
  });

  it('keeps what is said about probabilities through every stage', async () => {
    const confidence = { temperature: 0.7, rejectBelow: 0.4 };
    const stages: CompressStage[][] = [
      [{ stage: 'prune' }, { stage: 'recalibrate' }, { stage: 'fp16' }],
      [{ stage: 'prune', method: 'channels' }, { stage: 'reconstruct' }, { stage: 'quantize-static' }],
      [{ stage: 'quantize-dynamic' }],
    ];
    for (const some of stages) {
      const outcomes = await runStages({ ...model, confidence }, some, { engine: COMPRESS_ENGINE, calibration });
      for (const { name, model: made } of outcomes) expect(made.confidence, name).toEqual(confidence);
    }
  });

  const bad: [string, string, CompressStage[], Model?][] = [
    ['quantizing twice', 'ERR_UNSUPPORTED', [{ stage: 'quantize-dynamic' }, { stage: 'quantize-static' }]],
    ['quantizing a quantized model', 'ERR_UNSUPPORTED', [{ stage: 'quantize-dynamic' }], quantizeDynamic(model)],
    ['halves of int8', 'ERR_UNSUPPORTED', [{ stage: 'quantize-dynamic' }, { stage: 'fp16' }]],
    [
      'removing channels of int8',
      'ERR_UNSUPPORTED',
      [{ stage: 'quantize-dynamic' }, { stage: 'prune', method: 'channels' }],
    ],
    ['recalibrating int8', 'ERR_UNSUPPORTED', [{ stage: 'quantize-dynamic' }, { stage: 'recalibrate' }]],
    ['reconstructing int8', 'ERR_UNSUPPORTED', [{ stage: 'quantize-dynamic' }, { stage: 'reconstruct' }]],
    ['amount 1 in a later stage', 'ERR_INVALID_ARGUMENT', [{ stage: 'prune' }, { stage: 'prune', amount: 1 }]],
    ['no stages', 'ERR_INVALID_ARGUMENT', []],
    ['an unknown stage', 'ERR_INVALID_ARGUMENT', [{ stage: 'distill' } as unknown as CompressStage]],
  ];
  it.each(bad)('refuses %s (%s) before any work', (_, expected, stages, source = model) => {
    expect(() => checkStages(source, stages, calibration)).toThrow(code(expected));
  });

  it.each([undefined, [], [new Float32Array(3)]])('refuses calibration data %j: ERR_DATASET', (data) => {
    expect(() => checkStages(model, [{ stage: 'quantize-static' }], data)).toThrow(code('ERR_DATASET'));
    for (const stage of ['recalibrate', 'reconstruct'] as const) {
      expect(() => checkStages(model, [{ stage: 'prune' }, { stage }], data)).toThrow(code('ERR_DATASET'));
    }
  });
});

describe('compress', () => {
  const options = {
    stages: [{ stage: 'prune', amount: 0.3 }, { stage: 'quantize-dynamic' }],
    evaluate: scoreByAgreement,
    latency: { runs: 5, warmup: 1 },
    environment: { model: 'random <b>&' },
  } satisfies Parameters<typeof compress>[1];

  it('warns of pruning when nothing can make up for it', async () => {
    const told: string[] = [];
    const rest = { latency: false, onWarning: (message: string) => void told.push(message) } as const;
    await compress(model, { stages: [{ stage: 'prune', amount: 0.3 }], ...rest });
    expect(told).toEqual([expect.stringMatching(/pruning without calibration pictures may leave/)]);
    await compress(model, { stages: [{ stage: 'quantize-dynamic' }], ...rest });
    expect(told).toHaveLength(1);
    const warned = new Promise((resolve) => process.once('warning', resolve));
    await compress(model, { stages: [{ stage: 'prune', amount: 0.3 }], latency: false });
    expect(await warned).toMatchObject({ name: 'NeonsenseWarning', message: told[0] });
  });

  it('measures the baseline and every stage', async () => {
    const { report, model: result, stages, passed } = await compress(model, { ...options, require: 'size=-30%' });
    expect(report.stages.map(({ name }) => name)).toEqual(['baseline', 'prune', 'quantize-dynamic']);
    const [baseline, pruned, quantized] = report.stages;
    expect(baseline).toMatchObject({
      sparsity: 0,
      accuracy: { top1: 1, agreement: 1 },
      latency: { ratio: 1, runs: 5 },
    });
    expect(pruned!.sparsity).toBeCloseTo(0.3, 2);
    expect(pruned!.bytes).toBeLessThan(baseline!.bytes);
    expect(quantized!.bytes).toBeLessThan(0.7 * baseline!.bytes);
    expect(quantized!.latency!.ms).toBeGreaterThan(0);
    expect(pruned!.parameters).toBe(baseline!.parameters);
    expect(result).toBe(stages[1]!.model);
    expect(passed).toBe(true);
  });

  it('counts the pictures that accuracy is a share of, without those of other things', async () => {
    const evaluate = async (models: Parameters<typeof scoreByAgreement>[0]) =>
      (await scoreByAgreement(models)).map((score) => ({ ...score, images: 150, rejection: { others: 99 } }));
    const { report } = await compress(model, { ...options, evaluate, latency: false });
    expect(report.stages.map(({ accuracy }) => accuracy!.images)).toEqual([51, 51, 51]);
  });

  it('says which goals were missed and still gives the model', async () => {
    const result = await compress(model, { ...options, require: { size: -0.99, accuracy: -1 + 1e-9 } });
    expect(result.passed).toBe(false);
    expect(result.report.goals.map(({ metric, met }) => [metric, met])).toEqual([
      ['size', false],
      ['accuracy', true],
    ]);
    expect(result.model.precision).toBe('int8-dynamic');
  });

  it('refuses goals nothing will be measured for', async () => {
    const { evaluate: _, ...withoutData } = options;
    await expect(compress(model, { ...withoutData, require: 'accuracy=-5%' })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    );
    await expect(compress(model, { ...options, latency: false, require: 'latency=-5%' })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    );
  });

  it('stops when its signal fires', async () => {
    await expect(compress(model, { ...options, signal: AbortSignal.abort() })).rejects.toThrow(code('ERR_ABORTED'));
  });

  it('reports in Markdown, JSON and one self-contained HTML page', async () => {
    const { report } = await compress(model, { ...options, require: 'size=-99%,latency=-1%' });
    const markdown = reportMarkdown(report);
    expect(markdown).toMatch(/\| baseline \| fp32 \|/);
    expect(markdown).toMatch(/\| size \| at most -99.0 % .* \| FAILED \|/);
    expect(markdown.split('\n').filter((line) => line.startsWith('| features.5.block.1.0 '))).toHaveLength(2);
    expect(JSON.parse(reportJson(report))).toEqual(JSON.parse(JSON.stringify(report)));

    const html = await reportHtml(report);
    expect(html).not.toMatch(/(?:src|href)=|<script|<link|@import|url\(/);
    expect(html).toContain('random &lt;b&gt;&amp;');
    expect(html).toMatch(/class="verdict bad">The compressed model takes .* instead of .*\. Missed: the goal for size/);
    // Accuracy against size and against time; then two histograms for each layer of both stages.
    expect(html.match(/aria-label="top-1 against/g)).toHaveLength(2);
    expect(html.match(/Histogram: weights/g)).toHaveLength(2 * layerSpecs(model.architecture).length);
    expect(html.match(/Histogram: error/g)).toHaveLength(2 * layerSpecs(model.architecture).length);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('layer statistics', () => {
  it('compare int8 weights with the folded ones they were rounded from', () => {
    const quantized = quantizeDynamic(model, { keepFloat: [] });
    const statistics = layerStatistics(quantized, model);
    const folded = foldModel(model);
    for (const { layer, error, histogram, weights } of statistics) {
      expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(weights);
      const { weights: stored } = quantized.layers.get(layer)!;
      const exact = toFloat32(folded.layers.get(layer)!.weights);
      const largest = toFloat32(stored).reduce((most, w, i) => Math.max(most, Math.abs(w - exact[i]!)), 0);
      expect(error!.largest).toBeCloseTo(largest, 7);
      if (stored.type === 'i8') expect(error!.largest).toBeLessThanOrEqual(Math.max(...stored.scales) * 0.5001);
      else expect(error!.signalToNoise).toBeNull();
    }
  });

  it('leave the error out where channels were removed', () => {
    const { model: pruned } = prune(model, { method: 'channels', amount: 0.5 });
    const statistics = layerStatistics(pruned, model);
    expect(statistics.find(({ layer }) => layer === 'classifier.0')!.error).toBeUndefined();
    expect(statistics.find(({ layer }) => layer === 'features.0.0')!.error!.largest).toBe(0);
  });
});

describe('goals', () => {
  it('are read from text', () => {
    expect(parseGoals('size=-30%, latency = -40 % ,accuracy=-5%')).toEqual({
      size: -0.3,
      latency: -0.4,
      accuracy: -0.05,
    });
    expect(parseGoals('latency=+2.5%')).toEqual({ latency: 0.025 });
  });

  it.each(['', 'size', 'size=30', 'speed=-30%', 'size=-30%,size=-20%', 'size=-100%', 'size=--3%', 'size=-30%,'])(
    'refuse %j',
    (text) => {
      expect(() => parseGoals(text)).toThrow(code('ERR_INVALID_ARGUMENT'));
    },
  );

  it('are met exactly when the change is at least as good', () => {
    const change = fc.double({ min: -0.9, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(change, change, (wanted, reached) => {
        const baseline = { bytes: 1000, latency: 2, top1: 0.5 };
        const value = { bytes: 1000 * (1 + reached), latency: 2 * (1 + reached), top1: 0.5 * (1 + reached) };
        if (Math.abs(wanted - reached) < 1e-9) return;
        const results = checkGoals({ size: wanted, latency: wanted, accuracy: wanted }, baseline, value);
        expect(results.map(({ met }) => met)).toEqual([reached < wanted, reached < wanted, reached > wanted]);
      }),
    );
  });
});

describe('comparing models', () => {
  it('finds a model equal to itself, alone and in a batch, and a compressed one close', async () => {
    const same = await compareModels(model, model);
    expect(same.models).toMatchObject({ images: 16, largest: 0, relative: 0, agreement: 1 });
    const { models, singleAgainstBatch } = await compareModels(model, quantizeDynamic(model), { inputs: calibration });
    expect(models.images).toBe(8);
    expect(models.relative).toBeGreaterThan(0);
    expect(models.relative).toBeLessThan(0.1);
    for (const { relative } of singleAgainstBatch) expect(relative).toBeLessThan(1e-5);
  });

  it('refuses models that differ in classes or input, and pictures that do not fit', async () => {
    const invalid = code('ERR_INVALID_ARGUMENT');
    await expect(compareModels(model, randomModel({ classes: 3 }))).rejects.toThrow(invalid);
    await expect(compareModels(model, randomModel({ size: 96 }))).rejects.toThrow(invalid);
    await expect(compareModels(model, model, { inputs: [new Float32Array(5)] })).rejects.toThrow(invalid);
    await expect(compareModels(model, model, { inputs: [] })).rejects.toThrow(invalid);
  });
});
