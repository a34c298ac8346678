// The package where sharp is not installed: bundled into a folder without node_modules, in a process of its own.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bindingFile } from '../../lib/runtime/load/load.js';

const root = resolve(import.meta.dirname, '../..');
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-without-sharp-'));
  symlinkSync(join(root, 'models'), join(folder, 'models'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "neonsense", "version": "0.0.0", "type": "module" }');
  await build({
    entryPoints: [join(root, 'lib/index.ts')],
    outfile: join(folder, 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['sharp'],
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a module in that folder prints. */
function run(body: string): string {
  const file = join(folder, 'consumer.js');
  writeFileSync(
    file,
    `import { Classifier, createSession, readModel } from './index.js';
     const picture = ${JSON.stringify(join(root, 'examples/clock.png'))};
     ${body}`,
  );
  const result = spawnSync(process.execPath, [file], {
    encoding: 'utf8',
    env: { ...process.env, NEONSENSE_BINARY: bindingFile() },
  });
  return result.stdout + result.stderr;
}

describe('without sharp', () => {
  it('raw pixels are classified and tensors run', () => {
    const output = run(`
      const classifier = await Classifier.load();
      const pixels = { data: new Uint8Array(48 * 48 * 3), width: 48, height: 48, channels: 3 };
      console.log((await classifier.classify(pixels)).predictions.length);
      const session = await createSession(await readModel('${join(root, 'models/household-fp32.safetensors')}'));
      console.log((await session.run(new Float32Array(224 * 224 * 3))).length);
      await classifier.dispose();
      await session.dispose();
    `);
    expect(output).toBe('5\n11\n');
  });

  it('an ordinary JPEG photo is classified', async () => {
    const { default: sharp } = await import('sharp');
    await sharp(join(root, 'examples/photo-keyboard.webp')).jpeg().toFile(join(folder, 'photo.jpg'));
    const output = run(`
      const classifier = await Classifier.load();
      console.log((await classifier.classify(${JSON.stringify(join(folder, 'photo.jpg'))})).predictions[0].label);
      await classifier.dispose();
    `);
    expect(output).toBe('keyboard\n');
  });

  it('a picture file is refused with a code and how to add sharp, every time', () => {
    const output = run(`
      const classifier = await Classifier.load();
      for (let i = 0; i < 2; i++) {
        await classifier.classify(picture).catch((error) => console.log(error.code, error.message));
      }
      await classifier.dispose();
    `);
    const line = /^ERR_UNSUPPORTED .*sharp, which is not installed: run `npm install sharp`/gm;
    expect(output.match(line)).toHaveLength(2);
  });

  it('a sharp that does not load on this platform is told from one that is missing', () => {
    mkdirSync(join(folder, 'node_modules/sharp'), { recursive: true });
    writeFileSync(
      join(folder, 'node_modules/sharp/package.json'),
      '{ "name": "sharp", "version": "0.0.0", "main": "x.js" }',
    );
    writeFileSync(
      join(folder, 'node_modules/sharp/x.js'),
      'throw new Error("Could not load the module for linux-x64");',
    );
    const output = run(`
      const classifier = await Classifier.load();
      await classifier.classify(picture).catch((error) => console.log(error.code, error.message));
      await classifier.dispose();
    `);
    rmSync(join(folder, 'node_modules'), { recursive: true });
    expect(output).toMatch(
      /ERR_UNSUPPORTED .*installed but does not load here \(Could not load the module for linux-x64\)/,
    );
  });
});
