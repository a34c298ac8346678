import { describe, expect, it } from 'vitest';
import { confusionChart, coverageChart, reliabilityChart, scatterChart } from '../../lib/report/charts.js';

/** Whether every tag is closed where it should be. */
function isWellFormed(markup: string): boolean {
  const open: string[] = [];
  for (const [, closing, name] of markup.matchAll(/<(\/?)([\w-]+)[^<>]*>/g)) {
    if (closing === '') open.push(name!);
    else if (open.pop() !== name) return false;
  }
  return open.length === 0;
}

const count = (markup: string, pattern: RegExp): number => (markup.match(pattern) ?? []).length;

describe('a chart', () => {
  it('has a point and a whisker for each thing, and says in words what it shows', () => {
    const svg = scatterChart(
      [
        { name: 'a <b>', x: 1, y: 0.9, low: 0.85, high: 0.94 },
        { name: 'c', x: 2, y: 0.8, low: 0.74, high: 0.85 },
      ],
      'MiB',
      'top-1',
    );
    expect(isWellFormed(svg)).toBe(true);
    expect(count(svg, /<circle /g)).toBe(2);
    expect(svg).toContain('role="img" aria-label="top-1 against MiB: a &lt;b&gt;, c"');
    expect(svg).toContain('<title>a &lt;b&gt;: 90 %, 85 % to 94 %</title>');
  });

  it('of confusion has a cell for each pair of classes and a number where there are pictures', () => {
    const svg = confusionChart(
      ['x', 'y & z'],
      [
        [3, 1],
        [0, 0],
      ],
    );
    expect(isWellFormed(svg)).toBe(true);
    expect(count(svg, /<rect /g)).toBe(4);
    expect(svg).toContain('<title>x named y &amp; z: 1</title>');
  });

  it('of a thousand classes leaves names and empty cells out of sight', () => {
    const labels = Array.from({ length: 60 }, (_, index) => `class ${index}`);
    const svg = confusionChart(
      labels,
      labels.map((_, right) => labels.map((_, named) => (right === named ? 1 : 0))),
    );
    expect(svg).not.toContain('class 7');
  });

  it('of reliability says how many pictures each bar stands on', () => {
    const bins = [
      { lower: 0, upper: 0.5, images: 0, confidence: 0, accuracy: 0 },
      { lower: 0.5, upper: 1, images: 1234, confidence: 0.8, accuracy: 0.75 },
    ];
    const svg = reliabilityChart(bins);
    expect(isWellFormed(svg)).toBe(true);
    expect(svg).toContain('<title>1234 pictures, on average 80 % sure, 75 % right</title>');
    expect(svg).toContain('>1234</text>');
  });

  it('of coverage draws without numbers that are none, also where nothing was answered', () => {
    const points = [
      { coverage: 0.5, accuracy: 1 },
      { coverage: 1, accuracy: 0.5 },
    ];
    expect(coverageChart([{ name: 'm', points }])).toMatch(/<path d="M/);
    expect(coverageChart([{ name: 'm', points: [] }])).not.toMatch(/NaN|Infinity/);
  });
});
