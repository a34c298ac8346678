import { describe, expect, it } from 'vitest';
import { evaluationText, jsonLine } from '../../lib/cli/evaluateOutput.js';
import { MetricsAccumulator } from '../../lib/evaluate/metrics.js';
import type { Evaluation } from '../../lib/evaluate/score.js';

/** Three classes, one without pictures; of four pictures three right, `lamp` once taken for `clock`. */
function evaluation(model: string, agreement: Record<string, number>): Evaluation {
  const metrics = new MetricsAccumulator(3);
  metrics.add([9, 1, 0], 0);
  metrics.add([8, 1, 0], 0);
  metrics.add([0, 1, 0], 1);
  metrics.add([5, 1, 0], 1);
  const { classAccuracy, ...rest } = metrics.result();
  const labels = ['clock', 'lamp', 'bed'];
  const perClass = Object.fromEntries(labels.map((label, at) => [label, classAccuracy[at]!]));
  return { model, precision: 'fp32', ...rest, labels, perClass, agreement, rightAlone: {}, imagesPerSecond: 100 };
}

describe('jsonLine', () => {
  it('has exactly the documented fields of one model, accuracies as fractions', () => {
    const line = JSON.parse(jsonLine(evaluation('a.pth', {}))) as Record<string, unknown>;
    expect(Object.keys(line)).toEqual([
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
    expect(line).toMatchObject({
      model: 'a.pth',
      precision: 'fp32',
      images: 4,
      top1: 0.75,
      top5: 1,
      perClass: { clock: 1, lamp: 0.5, bed: null },
      confusion: [
        [2, 0, 0],
        [1, 1, 0],
        [0, 0, 0],
      ],
      imagesPerSecond: 100,
    });
  });

  it('adds the agreement where several models were scored', () => {
    const line = JSON.parse(jsonLine(evaluation('a.pth', { 'b.pth': 0.5 }))) as Record<string, unknown>;
    expect(line['agreement']).toEqual({ 'b.pth': 0.5 });
  });
});

describe('evaluationText', () => {
  it('shows each class, what is confused most, and who agrees with whom, under the shortest names that differ', () => {
    const models = [evaluation('x/a.pth', { 'y/a.pth': 0.5 }), evaluation('y/a.pth', { 'x/a.pth': 0.5 })];
    const text = evaluationText(models);
    expect(text).toMatch(/x\/a\.pth +fp32 +4 +75\.0 % +100\.0 %/);
    expect(text).toMatch(/lamp +50\.0 % +50\.0 %/);
    expect(text).toMatch(/bed +- +-/);
    expect(text).toContain('most confused by y/a.pth: lamp as clock 1');
    expect(text).toMatch(/agreement +x\/a\.pth +y\/a\.pth\nx\/a\.pth +100\.0 % +50\.0 %/);
  });
});
