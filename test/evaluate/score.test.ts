import { describe, expect, it } from 'vitest';
import { evaluationText, jsonLine } from '../../lib/cli/evaluateOutput.js';
import type { Dataset, LabelledImage } from '../../lib/evaluate/datasets.js';
import { evaluationReport } from '../../lib/evaluate/report.js';
import { type Predictor, scorePredictors } from '../../lib/evaluate/score.js';
import type { Preprocessing } from '../../lib/model/model.js';

const preprocessing: Preprocessing = { reduce: [1, 1], size: [1, 1], mean: [0, 0, 0], std: [1, 1, 1] };

/** One-pixel pictures whose red tells what a predictor shall say; `decoded` counts how often they were read. */
function dataset(rows: readonly (readonly [red: number, label: number])[], labels = ['a', 'b', 'c']) {
  const state = { decoded: 0 };
  const set: Dataset = {
    path: 'made-up',
    format: 'raw',
    size: rows.length,
    labels,
    leftOut: 0,
    unreadable: [],
    async *images(): AsyncGenerator<LabelledImage> {
      for (const [index, [red, label]] of rows.entries()) {
        state.decoded++;
        yield { index, label, pixels: { data: Uint8Array.of(red, 0, 0), width: 1, height: 1, channels: 3 } };
      }
    },
  };
  return { set, state };
}

/** Says the class whose number is the red channel (0..255 arrives as 0..1), moved on by `shift`. */
function predictor(name: string, labels: readonly string[], shift = 0): Predictor & { batches: number[] } {
  const batches: number[] = [];
  return {
    name,
    precision: 'fp32',
    labels,
    preprocessing,
    batches,
    run(input) {
      batches.push(input.length / 3);
      const logits = new Float32Array((input.length / 3) * labels.length);
      for (let image = 0; image < input.length / 3; image++) {
        const said = (Math.round(input[3 * image]! * 255) + shift) % labels.length;
        logits[image * labels.length + said] = 20;
      }
      return Promise.resolve(logits);
    },
  };
}

describe('scorePredictors', () => {
  it('decodes once for all models and counts where they agree', async () => {
    const { set, state } = dataset([
      [0, 0],
      [1, 1],
      [2, 2],
      [2, 0],
    ]);
    const same = predictor('same', ['a', 'b', 'c']);
    const shifted = predictor('shifted', ['a', 'b', 'c'], 1);
    const half: Predictor = {
      ...same,
      name: 'half',
      run: async (input) => (input[0]! < 0.002 ? same.run(input) : shifted.run(input)),
    };
    const [first, second, third] = await scorePredictors([same, shifted, half], set);
    expect(state.decoded).toBe(4);
    expect(first).toMatchObject({ model: 'same', images: 4, top1: 0.75, perClass: { a: 0.5, b: 1, c: 1 } });
    expect(first!.confusion).toEqual([
      [1, 0, 1],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    // Shifted, a picture of 2 is called 0: the mislabelled last one comes out right.
    expect(second!.top1).toBe(0.25);
    expect(first!.agreement).toEqual({ shifted: 0, half: 0.25 });
    expect(third!.agreement).toEqual({ same: 0.25, shifted: 0.75 });
  });

  it('scores a model that has not learnt what is none of the classes by its threshold', async () => {
    const { set } = dataset([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    const learnt = { ...predictor('learnt', ['a', 'b', 'c']), confidence: { temperature: 1, rejectClass: 'c' } };
    // Logits of 20 and 0 at temperature 20: e / (e + 1) = 0.73.
    const plain = { ...predictor('plain', ['a', 'b']), confidence: { temperature: 20, rejectBelow: 0.8 } };
    const scores = await scorePredictors([learnt, plain], { ...set, rejectClass: 'c' });
    expect(scores.map(({ rejection }) => rejection)).toEqual([
      { others: 1, rejected: 1, lost: 0 },
      { others: 1, rejected: 1, lost: 1 },
    ]);
    expect(scores.map(({ top1 }) => top1)).toEqual([1, 1]);
    await expect(scorePredictors([plain], set)).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });

  it('takes probabilities at the temperature of each model', async () => {
    const { set } = dataset([
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
    const plain = predictor('plain', ['a', 'b', 'c']);
    const [sure, modest] = await scorePredictors(
      [plain, { ...plain, name: 'modest', confidence: { temperature: 20 } }],
      set,
    );
    // Logits of 20, 0, 0: confidence 1, and e / (e + 2) at temperature 20. Two of three are right.
    expect(sure!.ece).toBeCloseTo(1 - 2 / 3, 6);
    expect(modest!.ece).toBeCloseTo(2 / 3 - Math.E / (Math.E + 2), 6);
    expect(modest!.top1).toBe(sure!.top1);
  });

  it("shows each picture's logits in the order of the data set's classes", async () => {
    const { set } = dataset([
      [0, 2],
      [1, 0],
    ]);
    const seen: unknown[] = [];
    const onLogits = (...given: unknown[]): unknown => seen.push(given);
    await scorePredictors([predictor('m', ['c', 'a', 'b'])], set, { onLogits });
    expect(seen).toEqual([
      ['m', [0, 0, 20], 2],
      ['m', [20, 0, 0], 0],
    ]);
  });

  it('brings logits of models with another class order to the order of the data set', async () => {
    const { set } = dataset([
      [0, 2],
      [1, 0],
      [2, 1],
    ]);
    const [result] = await scorePredictors([predictor('m', ['c', 'a', 'b'])], set);
    expect(result!.top1).toBe(1);
    expect(result!.confusion).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
  });

  it('runs full batches and what is left over', async () => {
    const { set } = dataset(Array.from({ length: 5 }, () => [0, 0] as const));
    const model = predictor('m', ['a', 'b', 'c']);
    const seen: number[] = [];
    await scorePredictors([model], set, { batch: 2, onProgress: ({ done }) => seen.push(done) });
    expect(model.batches).toEqual([2, 2, 1]);
    expect(seen).toEqual([2, 4, 5]);
  });

  it('lists both label sets when they differ', async () => {
    const { set } = dataset([[0, 0]]);
    await expect(scorePredictors([predictor('m', ['a', 'b', 'x'])], set)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/a, b, x.*a, b, c/),
    });
  });

  it('stops at the next picture when aborted', async () => {
    const { set, state } = dataset([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    const abort = new AbortController();
    const run = scorePredictors([predictor('m', ['a', 'b', 'c'])], set, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(state.decoded).toBeLessThan(3);
  });

  it('refuses a set of which nothing could be read, two models of one name, and a batch of 0', async () => {
    const model = predictor('m', ['a', 'b', 'c']);
    const broken: Dataset = { ...dataset([]).set, size: 1, unreadable: [{ file: 'x.png', reason: 'no picture' }] };
    await expect(scorePredictors([model], broken)).rejects.toMatchObject({ message: expect.stringContaining('x.png') });
    await expect(scorePredictors([model, model], dataset([[0, 0]]).set)).rejects.toThrow(/different names/);
    await expect(scorePredictors([model], dataset([[0, 0]]).set, { batch: 0 })).rejects.toThrow(/batch/);
  });
});

describe('what evaluate prints', () => {
  it('gives one JSON object a model with the documented fields', async () => {
    const { set } = dataset([
      [0, 0],
      [1, 1],
    ]);
    const [result] = await scorePredictors([predictor('m', ['a', 'b', 'c'])], set);
    const parsed = JSON.parse(jsonLine(result!)) as Record<string, unknown>;
    expect(Object.keys(parsed)).toEqual([
      'model',
      'precision',
      'images',
      'top1',
      'top5',
      'ece',
      'classMean',
      'perClass',
      'confusion',
      'imagesPerSecond',
    ]);
    expect(parsed).toMatchObject({ model: 'm', precision: 'fp32', images: 2, perClass: { a: 1, b: 1, c: null } });
  });

  it('lines up a table for people', async () => {
    const { set } = dataset([
      [0, 0],
      [1, 0],
    ]);
    const results = await scorePredictors([predictor('m', ['a', 'b', 'c']), predictor('n', ['a', 'b', 'c'])], set);
    const text = evaluationText(results);
    expect(text).toContain('50.0 %');
    expect(text).toContain('agreement');
    expect(text).toContain('most confused by m: a as b 1');
  });

  it('counts what only one of two models names right, and keeps the mistakes a model was surest of', async () => {
    const { set } = dataset([
      [0, 0],
      [1, 1],
      [2, 0],
      [2, 1],
    ]);
    const [right, shifted] = await scorePredictors(
      [predictor('right', ['a', 'b', 'c']), predictor('shifted', ['a', 'b', 'c'], 1)],
      set,
      { mistakes: 1 },
    );
    expect([right!.rightAlone, shifted!.rightAlone]).toEqual([{ shifted: 2 }, { right: 1 }]);
    expect(right!.mistakes).toEqual([
      {
        ...{ index: 2, label: 'a', predicted: 'c', confidence: expect.closeTo(1, 6) },
        thumbnail: { data: Uint8Array.of(2, 0, 0), width: 1, height: 1, channels: 3 },
      },
    ]);
    const html = await evaluationReport('two models', [right!, shifted!], { bytes: { right: 1, shifted: 2 } });
    expect(html).toContain('shifted is 25.0 points behind, which may be chance (p = 1.000)');
    expect(html).toMatch(/<td>right and shifted<\/td><td>0.0 %<\/td><td>2<\/td><td>1<\/td><td>p = 1.000<\/td>/);
    expect(html.match(/<img src="data:image\/png;base64,/g)).toHaveLength(2);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('writes a report that escapes names and refers to nothing outside itself', async () => {
    const labels = ['<script>alert(1)</script>', 'b', 'c'];
    const results = await scorePredictors(
      [predictor('m & "n"', labels)],
      dataset(
        [
          [0, 0],
          [1, 1],
        ],
        labels,
      ).set,
    );
    const html = await evaluationReport('made <up>', results);
    expect(html).not.toContain('<script>');
    expect(html).toContain('&lt;script&gt;');
    expect(html).toContain('m &amp; &quot;n&quot;');
    expect(html).toContain('<svg');
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|src=|href=/);
  });
});
