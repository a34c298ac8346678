import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { neonsense, projectRoot } from './run.js';

const model = join(projectRoot, 'models/household-fp16.safetensors');
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-embed-'));
  const clock = readFileSync(join(projectRoot, 'examples/clock.png'));
  writeFileSync(join(folder, 'clock.png'), clock);
  writeFileSync(join(folder, 'clock <small>.jpg'), await sharp(clock).resize(300).jpeg({ quality: 80 }).toBuffer());
  writeFileSync(join(folder, 'lamp.png'), readFileSync(join(projectRoot, 'examples/lamp.png')));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('neonsense embed', () => {
  it('prints a vector a picture', async () => {
    const { code, stdout } = await neonsense(['embed', '--model', model, folder]);
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { file: string; vector: number[] });
    expect(lines.map(({ file }) => file)).toEqual(
      ['clock <small>.jpg', 'clock.png', 'lamp.png'].map((name) => join(folder, name)),
    );
    for (const { vector } of lines) expect(vector.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
  });

  it('finds a picture that was saved another way, and shows it on a page without outside references', async () => {
    const page = join(folder, 'similar.html');
    const { code, stdout, stderr } = await neonsense([
      ...['embed', '--model', model, '--duplicates', '--page', page, folder],
    ]);
    expect(code).toBe(0);
    const files = ['clock <small>.jpg', 'clock.png'].map((name) => join(folder, name));
    expect(JSON.parse(stdout)).toEqual({ model, files });
    expect(stderr).toContain('1 groups of duplicates');
    const html = readFileSync(page, 'utf8');
    expect(html).not.toMatch(/(src|href)="(?!data:)|https?:/);
    const { pictures, groups } = JSON.parse(/id="data">([^]*?)<\/script>/.exec(html)![1]!) as {
      pictures: { file: string; thumbnail: string }[];
      groups: number[][];
    };
    expect(groups).toEqual([[0, 1]]);
    expect(pictures[0]!.thumbnail).toMatch(/^data:image\/jpeg;base64,/);
    expect(html).not.toContain('<small>');
  });

  it('goes on behind a picture that can not be read', async () => {
    const broken = join(folder, 'broken.png');
    writeFileSync(broken, 'no picture');
    const { code, stdout, stderr } = await neonsense(['embed', '--model', model, broken, join(folder, 'lamp.png')]);
    rmSync(broken);
    expect(code).toBe(1);
    expect(stderr).toContain('broken.png');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  });
});
