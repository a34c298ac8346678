// The pages of reports in a real browser: on a wide screen, a narrow one, in the dark and on paper.
import { existsSync } from 'node:fs';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompressReport, MeasuredStage } from '../../lib/compress/report/report.js';
import { reportHtml } from '../../lib/compress/report/reportHtml.js';
import { MetricsAccumulator } from '../../lib/evaluate/metrics.js';
import { evaluationReport } from '../../lib/evaluate/report.js';
import type { Evaluation } from '../../lib/evaluate/score.js';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const labels = ['clock', 'a class with quite a long name', '椅子'];

function evaluation(model: string, slip: number): Evaluation {
  const metrics = new MetricsAccumulator(labels.length);
  for (let image = 0; image < 60; image++) {
    const label = image % 3;
    const named = image % slip === 0 ? (label + 1) % 3 : label;
    metrics.add(
      labels.map((_, at) => (at === named ? 1 + (image % 5) : 0)),
      label,
    );
  }
  const { classAccuracy, ...rest } = metrics.result();
  const perClass = Object.fromEntries(labels.map((label, at) => [label, classAccuracy[at]!]));
  const thumbnail = { data: new Uint8Array(30 * 20 * 3).fill(120), width: 30, height: 20, channels: 3 } as const;
  const file = '椅子/a file with a name that is long and has no end <b>.jpg';
  const mistakes = [{ index: 3, file, label: 'clock', predicted: '椅子', confidence: 0.9, thumbnail }];
  const others = { agreement: {}, rightAlone: {}, imagesPerSecond: 90, mistakes };
  return { model, precision: 'fp32', ...rest, labels, perClass, ...others };
}

/** An evaluation of the original and of what one stage made. */
const evaluations = [evaluation('baseline', 7), evaluation('quantize-dynamic', 4)];

function compression(): CompressReport {
  const stage = (name: string, bytes: number, { top1, top5 }: Evaluation): MeasuredStage => ({
    ...{ name, bytes, precision: 'fp32', options: {}, sparsity: 0, parameters: 900_000, layers: [] },
    accuracy: { top1, top5, agreement: 0.9, images: 60, lost: 7, gained: 1 },
  });
  const stages = [stage('baseline', 3_700_000, evaluations[0]!), stage('quantize-dynamic', 1_000_000, evaluations[1]!)];
  return { date: '2026-11-27T10:00:00.000Z', environment: { cpu: 'Cortex-A76' }, stages, goals: [] };
}

const PAGES: Readonly<Record<string, () => Promise<string>>> = {
  'an evaluation': () =>
    evaluationReport('Evaluation on photos/', [evaluation('a.safetensors', 7), evaluation('b.pth', 4)], {
      environment: { cpu: 'Cortex-A76' },
      bytes: { 'a.safetensors': 1_000_000, 'b.pth': 3_700_000 },
    }),
  'a compression': () => reportHtml(compression(), evaluations),
};

describe.skipIf(!existsSync(executablePath)).each(Object.entries(PAGES))(
  'the page of %s (skipped without /usr/bin/chromium)',
  (_name, made) => {
    let browser: Browser;
    let html: string;
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
      html = await made();
    }, 60_000);
    afterAll(async () => await browser.close());

    async function open(width: number, colorScheme: 'light' | 'dark', media: 'screen' | 'print' = 'screen') {
      const context: BrowserContext = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.emulateMedia({ media });
      await page.setContent(html);
      return { page, requests };
    }

    it.each([
      [1280, 'light', 'screen'],
      [420, 'dark', 'screen'],
      [700, 'dark', 'print'],
    ] as const)(
      'fits %d pixels, %s, on %s, asks for nothing, and has no fault axe knows of',
      async (width, scheme, media) => {
        const { page, requests } = await open(width, scheme, media);
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
        expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([]);
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html.slice(0, 200)])).toEqual([]);
        await page.context().close();
      },
    );

    it('lets a table that is too wide be reached and moved by keyboard', async () => {
      const { page } = await open(420, 'light');
      await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowRight');
      await expect
        .poll(() => page.evaluate('document.activeElement.className + " " + (document.activeElement.scrollLeft > 0)'))
        .toBe('wide true');
      await page.context().close();
    });
  },
);

describe('the page of a compression', () => {
  const count = (html: string, text: string) => html.split(text).length - 1;

  it('shows confusion, coverage and mistakes of the original and of the result, as the page of an evaluation does', async () => {
    const html = await reportHtml(compression(), evaluations);
    const evaluated = await evaluationReport('photos', evaluations);
    for (const text of ['Confusion matrix', 'Accuracy by confidence', 'The mistakes it was surest of']) {
      expect(count(html, text), text).toBe(2);
      expect(count(evaluated, text), text).toBe(2);
    }
    expect(count(html, 'Accuracy against coverage: baseline, quantize-dynamic')).toBe(1);
    expect(html).toContain('a file with a name that is long and has no end &lt;b&gt;.jpg');
  });

  it('is as it was without evaluations, and refuses too few', async () => {
    expect(await reportHtml(compression())).not.toMatch(/Confusion|coverage|surest/);
    await expect(reportHtml(compression(), evaluations.slice(1))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Expected 2, one of the original and of each stage, .*evaluations/s),
    });
  });
});
