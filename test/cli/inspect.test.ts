import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { archive, pickle, stateOf } from '../model/import/torch/checkpoint.js';
import { randomModel } from '../randomModel.js';
import { neonsense, projectRoot } from './run.js';

const model = join(projectRoot, 'models', 'household-fp32.safetensors');
const labels = 'clock keyboard lamp telephone television bed chair couch table wardrobe other'.split(' ');

describe('inspect', () => {
  it('--json tells what the household model is', async () => {
    const { code, stdout, stderr } = await neonsense(['inspect', '--json', model]);
    expect([code, stderr]).toEqual([0, '']);
    const summary = JSON.parse(stdout) as Record<string, unknown> & { layers: Record<string, unknown>[] };
    expect(summary).toMatchObject({
      file: model,
      architecture: { name: 'mobilenet_v3_small' },
      classes: 11,
      labels,
      preprocessing: { reduce: [224, 224], size: [224, 224] },
      precision: 'fp32',
      bytes: statSync(model).size,
    });
    expect(summary.layers).toHaveLength(54);
    for (const layer of summary.layers) {
      expect(layer).toMatchObject({ name: expect.any(String), sparsity: expect.any(Number), macs: expect.any(Number) });
    }
  });

  it('says the same to people', async () => {
    const { code, stdout } = await neonsense(['inspect', model]);
    expect(code).toBe(0);
    expect(stdout).toContain(`11: ${labels.join(', ')}`);
    expect(stdout).toMatch(/preprocessing +area average to 224 x 224, .* bilinear to 224 x 224/);
    expect(stdout).toMatch(/precision +fp32/);
    expect(stdout).toMatch(new RegExp(`file +[\\d.]+ MiB \\(${statSync(model).size.toLocaleString('en-US')} bytes\\)`));
    expect(stdout).not.toContain('features.0.0');
    // A terminal breaks lines between words, so that none may be longer than a line.
    const [, madeBy = ''] = stdout.split('made by');
    expect(madeBy).toContain('passes: 70 14');
    expect(Math.max(...madeBy.split(/\s/).map((word) => word.length))).toBeLessThanOrEqual(64);
  });

  it('--layers adds every layer below, within 80 columns', async () => {
    const { stdout } = await neonsense(['inspect', '--layers', model]);
    const [summary = '', layers = ''] = stdout.split('\n\n');
    expect(summary).toMatch(/precision +fp32/);
    expect(layers).toMatch(/^features\.0\.0 +conv2d +16x3x3x3 /m);
    expect(layers).toMatch(/^classifier\.0 +linear +43x576 /m);
    expect(layers).toMatch(/^classifier\.3 +linear +11x43 /m);
    expect(Math.max(...layers.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it.each([
    ['a file that is not there', 'missing.pth', /missing\.pth/],
    ['a picture', join(projectRoot, 'examples', 'clock.png'), /clock\.png/],
    ['a directory', projectRoot, /./],
  ])('%s is an error with exit code 1', async (_, file, message) => {
    const { code, stdout, stderr } = await neonsense(['inspect', file]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('--key chooses among the networks of a checkpoint, which are listed without it', async () => {
    const four = stateOf(randomModel({ classes: 4 }));
    const folder = mkdtempSync(join(tmpdir(), 'neonsense-inspect-'));
    try {
      const file = join(folder, 'two.pth');
      const networks = ['student', 'ema'].map(
        (key) => [key, pickle.dict(stateOf(randomModel({ classes: 4 }), '', key).entries)] as const,
      );
      const storages = new Map(
        ['student', 'ema'].flatMap((key) => [...four.storages].map(([name, bytes]) => [key + name, bytes] as const)),
      );
      writeFileSync(file, archive({ root: pickle.dict(networks), storages }));
      const without = await neonsense(['inspect', file]);
      expect([without.code, without.stderr]).toEqual([1, expect.stringMatching(/"student", "ema".*--key/)]);
      const chosen = await neonsense(['inspect', '--json', '--key', 'ema', file]);
      expect(JSON.parse(chosen.stdout)).toMatchObject({ classes: 4, provenance: [{ details: { key: 'ema' } }] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
