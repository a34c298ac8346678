// The live page in a real browser: Chromium from the system, with its fake camera.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Server } from '../../lib/serve/options.js';
import { createServer } from '../../lib/serve/server.js';
import { projectRoot } from '../cli/run.js';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const screenshots = join(projectRoot, 'build-screenshots');
const example = (name: string): string => join(projectRoot, `examples/${name}.png`);

const models = ['fp16', 'int8-dynamic'].map((kind) => join(projectRoot, `models/household-${kind}.safetensors`));

describe.skipIf(!existsSync(executablePath))('the live page (skipped without /usr/bin/chromium)', () => {
  let server: Server;
  let address: string;
  let browser: Browser;

  beforeAll(async () => {
    server = await createServer({ models, threads: 1 });
    address = await server.listen({ host: '127.0.0.1', port: 0 });
    browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    });
    mkdirSync(screenshots, { recursive: true });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** A page, what it logged and where it asked, in the order it happened. */
  async function opened(
    options: { readonly width?: number; readonly colorScheme?: 'light' | 'dark'; readonly at?: string } = {},
  ): Promise<{ page: Page; problems: string[]; asked: string[] }> {
    const { width = 1280, colorScheme = 'light', at = address } = options;
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const problems: string[] = [];
    const asked: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(at);
    await page.waitForSelector('#first option', { state: 'attached' });
    return { page, problems, asked };
  }

  const firstLabel = async (page: Page, list = '#first-labels'): Promise<string> => {
    await page.waitForSelector(`${list} li`);
    return (await page.textContent(`${list} li span`)) ?? '';
  };

  it('labels a picture that was opened, asks nobody else, and logs no error', async () => {
    const { page, problems, asked } = await opened();
    await page.setInputFiles('#file', example('clock'));
    expect(await firstLabel(page)).toBe('clock');
    await page.screenshot({ path: join(screenshots, 'page-wide.png'), fullPage: true });
    expect(problems).toEqual([]);
    expect(asked.filter((url) => !url.startsWith(address) && !/^(blob|data):/.test(url))).toEqual([]);
  });

  it('compares two models side by side', async () => {
    const { page } = await opened();
    await page.setInputFiles('#file', example('chair'));
    await page.selectOption('#second', 'household-int8-dynamic');
    expect(await firstLabel(page, '#second-labels')).toBe('chair');
  });

  it('shows where the evidence lies', async () => {
    const { page, problems } = await opened();
    await page.setInputFiles('#file', example('clock'));
    await firstLabel(page);
    await page.check('#show-why');
    await page.waitForSelector('#why:not([hidden])');
    expect(await page.evaluate("document.querySelector('canvas').width")).toBe(7);
    await page.screenshot({ path: join(screenshots, 'page-why.png'), fullPage: true });
    expect(problems).toEqual([]);
  });

  it('classifies what the camera sees until it is stopped', async () => {
    const { page, problems } = await opened();
    await page.click('#start');
    await firstLabel(page);
    await expect.poll(() => page.textContent('#fps'), { timeout: 30_000 }).toContain('a second');
    await page.click('#stop');
    expect(await page.textContent('#status')).toContain('off');
    expect(problems).toEqual([]);
  });

  it('shows what is watched, until it ends', async () => {
    const watching = await createServer({ models: [models[0]!], threads: 1, watching: 'the shop window' });
    const at = await watching.listen({ port: 0 });
    const pixels = await sharp(example('clock')).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const { width, height } = pixels.info;
    const result = {
      ...{ frame: 0, timeMs: 5000, rejected: false, fps: 29.5, dropped: 2, latencyMs: 8.25 },
      predictions: [{ label: 'clock', index: 0, probability: 0.9 }],
      picture: { data: new Uint8Array(pixels.data), width, height, channels: 3 as const },
    };
    const timer = setInterval(() => watching.watched!.show(result), 50);
    try {
      const { page, problems, asked } = await opened({ at });
      expect(await firstLabel(page)).toBe('clock');
      await expect.poll(() => page.textContent('#fps')).toContain('29.5 a second, 2 dropped');
      expect(await page.textContent('#status')).toContain('the shop window');
      await expect.poll(() => page.evaluate("document.getElementById('picture').naturalWidth")).toBe(width);
      await page.screenshot({ path: join(screenshots, 'page-watch.png') });
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
      expect(problems).toEqual([]);
      expect(asked.filter((url) => !url.startsWith(at) && !/^(blob|data):/.test(url))).toEqual([]);
      await page.setInputFiles('#file', example('chair'));
      await expect.poll(() => firstLabel(page)).toBe('chair');
      await page.click('#watch');
      await expect.poll(() => firstLabel(page)).toBe('clock');
      clearInterval(timer);
      await watching.close();
      await expect.poll(() => page.textContent('#status')).toContain('the shop window has ended');
    } finally {
      clearInterval(timer);
      await watching.close();
    }
  });

  it('shows what boards have measured side by side, on a phone too', async () => {
    const lab = mkdtempSync(join(tmpdir(), 'neonsense-page-lab-'));
    for (const [board, medianMs] of [
      ['raspberry-pi-4-model-b', 21.5],
      ['raspberry-pi-5-model-b', 6.25],
      ['jetson-orin-nano', 5],
    ] as const) {
      mkdirSync(join(lab, board));
      const environment = { date: '2026-03-01T10:00:00.000Z', cpu: 'Cortex', platform: 'linux-arm64' };
      const row = { engine: 'neonsense', model: 'a.safetensors', precision: 'fp32', threads: 1, batch: 1 };
      const measured = { ...row, medianMs, minMs: 5, imagesPerSecond: 9, environment };
      writeFileSync(join(lab, board, '2026-03-01.jsonl'), `${JSON.stringify(measured)}\n`);
    }
    const kept = await createServer({ models: [models[0]!], threads: 1, lab });
    try {
      const at = await kept.listen({ port: 0 });
      for (const width of [1280, 390]) {
        const { page, problems } = await opened({ at, width });
        await page.waitForSelector('#boards td');
        expect(await page.textContent('#boards-table')).toMatch(/raspberry-pi-5-model-b.*1 threads.*6\.25 \(5\.00\)/);
        const { violations } = await new AxeBuilder({ page }).analyze();
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        expect(serious.map(({ id }) => id)).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')).toBeLessThanOrEqual(0);
        expect(problems).toEqual([]);
        await page.screenshot({ path: join(screenshots, `page-boards-${width}.png`), fullPage: true });
      }
    } finally {
      await kept.close();
      rmSync(lab, { recursive: true });
    }
  });

  it('can be used with the keyboard alone', async () => {
    const { page } = await opened();
    const reached: string[] = [];
    for (let presses = 0; presses < 8; presses++) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate('document.activeElement.id'));
    }
    expect(reached).toEqual(expect.arrayContaining(['file', 'start', 'show-why', 'first', 'second']));
  });

  it.each([
    ['wide and light', { width: 1280, colorScheme: 'light' }],
    ['on a phone and dark', { width: 390, colorScheme: 'dark' }],
  ] as const)('has no serious fault for people who see or hear it otherwise, %s', async (name, options) => {
    const { page } = await opened(options);
    await page.setInputFiles('#file', example('lamp'));
    await firstLabel(page);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    await page.screenshot({ path: join(screenshots, `page-${name.replaceAll(' ', '-')}.png`), fullPage: true });
  });
});
