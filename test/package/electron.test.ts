import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installStandIn } from './electronStandIn.js';
import { canPack, type Packed, pack, root, unpack } from './packed.js';

const run = promisify(execFile);
const example = join(root, 'examples/electron');

/**
 * An Electron app's resources as its packagers lay them out: all of the app in `app.asar`, and what the rule unpacks in
 * `app.asar.unpacked` alone. Here `app.asar` is a folder: Electron's `fs` shows an archive as one.
 */
describe.skipIf(!canPack)('an Electron app (skipped without dist/ and the addon)', { timeout: 600_000 }, () => {
  let packed: Packed;
  let resources: string;
  const inArchive = (): string => join(resources, 'app.asar/node_modules/neonsense');
  const unpackedBeside = (): string => join(resources, 'app.asar.unpacked/node_modules/neonsense');

  beforeAll(async () => {
    packed = await pack();
    resources = join(packed.folder, 'resources');
    unpack(packed.tarball, inArchive());
    cpSync(join(inArchive(), 'prebuilds'), join(unpackedBeside(), 'prebuilds'), { recursive: true });
    rmSync(join(inArchive(), 'prebuilds'), { recursive: true });
    writeFileSync(
      join(resources, 'app.asar/main.cjs'),
      `const { Classifier } = require('neonsense');
      const pixels = { data: new Uint8Array(64 * 64 * 4).fill(128), width: 64, height: 64, channels: 4, order: 'bgr' };
      Classifier.load()
        .then(async (classifier) => {
          const { predictions } = await classifier.classify(pixels);
          const { sharedObjects } = process.report.getReport();
          console.log(predictions.length, sharedObjects.find((file) => file.endsWith('.node')));
        })
        .catch((error) => {
          console.log(error.code, error.message);
        });`,
    );
  }, 600_000);
  afterAll(() => packed?.remove());

  const start = async (): Promise<string> => {
    const { NEONSENSE_BINARY: _, ...env } = process.env;
    return (await run(process.execPath, [join(resources, 'app.asar/main.cjs')], { env })).stdout;
  };

  it('loads the binary from app.asar.unpacked', async () => {
    expect(await start()).toMatch(/^5 .*app\.asar\.unpacked.*neonsense.*\.node\n$/);
  });

  it('gets the same label in the main process and a utility process, in a stand-in for Electron', async () => {
    const app = join(resources, 'app.asar');
    for (const file of ['main.js', 'classifier-process.js', 'package.json'])
      cpSync(join(example, file), join(app, file));
    const launch = installStandIn(join(app, 'node_modules'));
    const picture = join(resources, 'clock.png');
    const { data } = await sharp(join(root, 'examples/clock.png'))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    for (let i = 0; i < data.length; i += 4) [data[i], data[i + 2]] = [data[i + 2]!, data[i]!];
    writeFileSync(`${picture}.bgra`, data);
    const { NEONSENSE_BINARY: _, ...env } = process.env;
    const args = [launch, join(app, 'main.js'), '--check'];
    const { stdout } = await run(process.execPath, [...args, picture], { env });
    expect(stdout).toBe('main process: clock\nutility process: clock\n');
    await expect(run(process.execPath, [...args, join(resources, 'none.png')], { env })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('none.png is not a picture that Electron can read'),
    });
  });

  it('says why it does not load when the binaries were not packed', async () => {
    rmSync(unpackedBeside(), { recursive: true });
    expect(await start()).toMatch(/^ERR_NATIVE_LOAD [^]*prebuilds/);
  });
});

describe('the Electron example', () => {
  const read = (file: string): string => readFileSync(join(example, file), 'utf8');

  it('unpacks the binaries by the same rule in both packagers and in the docs', () => {
    const rule = '**/node_modules/neonsense/prebuilds/**';
    for (const file of ['forge.config.cjs', 'electron-builder.yml']) expect(read(file)).toContain(rule);
    expect(readFileSync(join(root, 'docs/electron.md'), 'utf8')).toContain(rule);
  });

  it('consists of programs that Node can parse, and has the files they name', async () => {
    for (const file of ['main.js', 'classifier-process.js', 'forge.config.cjs']) {
      await run(process.execPath, ['--check', join(example, file)]);
    }
    const { main } = JSON.parse(read('package.json')) as { main: string };
    expect(existsSync(join(example, main))).toBe(true);
    for (const [, name] of read('main.js').matchAll(/new URL\('([^']+)', import\.meta\.url\)/g)) {
      expect(existsSync(join(example, name!)), name).toBe(true);
    }
  });
});
