import { describe, expect, it } from 'vitest';
import type { StateTensor } from '../../../lib/model/import/stateDict.js';
import { plainWeights } from '../../../lib/model/import/weightForms.js';

function state(tensors: Record<string, [shape: number[], numbers: number[]]>): Map<string, StateTensor> {
  const entries = Object.entries(tensors).map(([name, [shape, numbers]]): [string, StateTensor] => [
    name,
    { shape, type: 'float', read: () => Float32Array.from(numbers) },
  ]);
  return new Map(entries);
}

function read(tensors: Map<string, StateTensor>, name: string): number[] {
  return [...tensors.get(name)!.read()];
}

describe('plainWeights', () => {
  it('applies pruning masks, with zeros that are positive', () => {
    const plain = plainWeights(
      state({
        'a.weight_orig': [
          [2, 2],
          [1, -2, 3, -4],
        ],
        'a.weight_mask': [
          [2, 2],
          [1, 0, 1, 0],
        ],
        'a.bias': [[2], [5, 6]],
      }),
    );
    expect([...plain.keys()]).toEqual(['a.weight', 'a.bias']);
    expect(read(plain, 'a.weight')).toEqual([1, 0, 3, 0]);
    expect(plain.get('a.weight')!.shape).toEqual([2, 2]);
  });

  // Rows (3, 4) and (6, 8) have the norms 5 and 10, columns (3, 6) and (4, 8) the norms of 45 and 80, all that of 125.
  it.each<[string, number[], number[], number[]]>([
    ['each output', [2, 1], [10, 5], [6, 8, 3, 4]],
    ['each input', [1, 2], [Math.sqrt(45), 2 * Math.sqrt(80)], [3, 8, 6, 16]],
    ['the whole tensor', [], [2 * Math.sqrt(125)], [6, 8, 12, 16]],
  ])('multiplies out weight norm over %s, old and new', (_, shape, g, expected) => {
    const v: [number[], number[]] = [
      [2, 2],
      [3, 4, 6, 8],
    ];
    for (const [first, second] of [
      ['a.weight_g', 'a.weight_v'],
      ['a.parametrizations.weight.original0', 'a.parametrizations.weight.original1'],
    ] as const) {
      const plain = plainWeights(state({ [first]: [shape, g], [second]: v }));
      expect([...plain.keys()]).toEqual(['a.weight']);
      read(plain, 'a.weight').forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
    }
  });

  it.each<[string, Record<string, [number[], number[]]>, RegExp]>([
    ['spectral norm', { 'a.weight_orig': [[1], [1]], 'a.weight_u': [[1], [1]] }, /a\.weight_orig.*spectral norm/],
    ['another parametrization', { 'a.parametrizations.weight.original': [[1], [1]] }, /remove_parametrizations/],
    [
      'a mask of another shape',
      { 'a.weight_orig': [[2], [1, 1]], 'a.weight_mask': [[1], [1]] },
      /mask of tensor "a\.weight"/,
    ],
    [
      'a norm of another shape',
      { 'a.weight_g': [[3], [1, 1, 1]], 'a.weight_v': [[2], [1, 1]] },
      /norm of tensor "a\.weight"/,
    ],
    [
      'a weight twice',
      { 'a.weight': [[1], [1]], 'a.weight_orig': [[1], [1]], 'a.weight_mask': [[1], [1]] },
      /"a\.weight" twice/,
    ],
    ['observers of quantization', { 'a.activation_post_process.scale': [[1], [1]] }, /not converted.*convert/],
    ['fake quantization', { 'a.weight_fake_quant.scale': [[1], [1]] }, /not converted.*convert/],
    ['a network FX quantized', { features_0_0_input_scale_0: [[], [1]] }, /FX graph mode.*features_0_0_input_scale_0/],
  ])('refuses %s by name', (_, tensors, message) => {
    expect(() => plainWeights(state(tensors))).toThrow(message);
  });
});
