import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { abReport } from '../../lib/serve/abReport.js';
import { neonsense } from '../cli/run.js';

let folder: string;
let log: string;

const record = (first: string, second: string, rejected: readonly [boolean, boolean] = [false, false]): string =>
  JSON.stringify({
    time: '2026-11-27T00:00:00.000Z',
    model: 'a',
    shadow: 'b',
    agrees: first === second && rejected[0] === rejected[1],
    answers: [
      { label: first, probability: 0.9, rejected: rejected[0], ms: 2 },
      { label: second, probability: 0.8, rejected: rejected[1], ms: 1 },
    ],
  });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-ab-'));
  log = join(folder, 'ab.jsonl');
  const lines = [
    ...new Array<string>(80).fill(record('chair', 'chair')),
    ...new Array<string>(15).fill(record('chair', 'couch')),
    ...new Array<string>(5).fill(record('lamp', 'lamp', [false, true])),
  ];
  writeFileSync(log, `${record('x', 'x').replace('"a"', '"older"')}\n${lines.join('\n')}\n{"time": "cut off`);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the report of an A/B test', () => {
  it('gives agreement, rejection and time of the pictures both saw', async () => {
    const report = await abReport(log);
    expect(report).toMatchObject({
      models: ['a', 'b'],
      pictures: 100,
      agreement: { value: 0.8 },
      rejected: [0, 0.05],
      rejectedDifference: { value: 0.05 },
      ms: [2, 1],
      disagreements: [
        { first: 'chair', second: 'couch', pictures: 15 },
        { first: 'lamp', second: 'rejected', pictures: 5 },
      ],
      skipped: 1,
    });
    // Wilson's interval of 80 of 100, by hand.
    expect(report.agreement.interval[0]).toBeCloseTo(0.7112, 3);
    expect(report.agreement.interval[1]).toBeCloseTo(0.8666, 3);
    // 0.05 and 1.96 * sqrt(0.05 * 0.95 / 100).
    expect(report.rejectedDifference.interval[1]).toBeCloseTo(0.05 + 0.0427, 3);
  });

  it('is refused for a file without a record', async () => {
    const empty = join(folder, 'empty.jsonl');
    writeFileSync(empty, '\n');
    await expect(abReport(empty)).rejects.toMatchObject({ code: 'ERR_DATASET' });
    await expect(abReport(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('is printed for people and for programs', async () => {
    const text = await neonsense(['ab', 'report', log]);
    expect(text.stdout).toContain('agree on 80.0 % (95 % interval 71.1 % to 86.7 %)');
    expect(text.stderr).toContain('1 lines are no records');
    const json = await neonsense(['ab', 'report', '--json', log]);
    expect(JSON.parse(json.stdout)).toMatchObject({ pictures: 100 });
  });
});
