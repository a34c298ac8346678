import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

  it('has every file that its own files name', () => {
    const { main } = JSON.parse(read('package.json')) as { main: string };
    expect(existsSync(join(example, main))).toBe(true);
    const named = [...read('main.js').matchAll(/pathOf\('([^']+)'\)|from '\.\/([^']+)'/g)].map(([, a, b]) => a ?? b!);
    const pages = [...read('page/index.html').matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, name]) => `page/${name}`);
    expect(named.length).toBeGreaterThan(2);
    expect(pages).toHaveLength(2);
    for (const name of [...named, ...pages]) expect(existsSync(join(example, name)), name).toBe(true);
  });

  it('pins what it is made of, and the sharp that the tests decode with', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as typeof devDependencies;
    expect(dependencies!['sharp']).toBe(
      (ours as unknown as Record<string, Record<string, string>>)['devDependencies']!['sharp'],
    );
    for (const version of Object.values(devDependencies!)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
