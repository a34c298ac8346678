import { describe, expect, it } from 'vitest';
import { similarTo } from '../../lib/text/similar.js';

describe('similarTo', () => {
  const known = ['calibration', 'onProgress', 'anyFeature', 'runs', 'rules'];

  it.each([
    ['calibraton', 'calibration'],
    ['on_progress', 'onProgress'],
    ['anyFeatures', 'anyFeature'],
    ['Runs', 'runs'],
    ['run', 'runs'],
  ])('finds what %s is a misspelling of', (word, meant) => {
    expect(similarTo(word, known)).toBe(meant);
  });

  it.each(['threads', 'on', 'x', ''])('does not guess at %j', (word) => {
    expect(similarTo(word, known)).toBeUndefined();
  });
});
