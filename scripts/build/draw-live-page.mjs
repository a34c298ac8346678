#!/usr/bin/env node
// Draws docs/pictures/live-page.png, README's picture: the live page of `neonsense serve` with one of examples/' photographs
// and the reasons for its label. Needs a build and Chromium (Debian: apt-get install chromium).
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { createServer } from '../../dist/entries/serve.js';

const models = ['fp16', 'int8-dynamic'].map((kind) => `models/household-${kind}.safetensors`);
const server = await createServer({ models, threads: 1 });
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const page = await browser.newPage({ viewport: { width: 1000, height: 690 }, colorScheme: 'light' });
  await page.goto(await server.listen({ host: '127.0.0.1', port: 0 }));
  await page.waitForSelector('#first option', { state: 'attached' });
  await page.setInputFiles('#file', 'examples/photo-keyboard.webp');
  await page.waitForSelector('#first-labels li');
  await page.selectOption('#second', 'household-int8-dynamic');
  await page.waitForSelector('#second-labels li');
  await page.check('#show-why');
  await page.waitForSelector('#why:not([hidden])');
  mkdirSync('docs/pictures', { recursive: true });
  const picture = await page.screenshot();
  await sharp(picture).png({ palette: true, compressionLevel: 9 }).toFile('docs/pictures/live-page.png');
} finally {
  await browser.close();
  await server.close();
}
