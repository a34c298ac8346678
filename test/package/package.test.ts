import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canPack, type Packed, pack, root, unpack } from './packed.js';

/** What one platform needs of the package may take this much, in bytes. */
const MOST_BYTES = 13_000_000;

interface Manifest {
  readonly exports: Record<string, string | Record<string, { types: string; default: string }>>;
  readonly bin: Record<string, string>;
  readonly main: string;
  readonly types: string;
  readonly scripts: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { optional?: boolean }>;
  readonly devDependencies: Record<string, string>;
}

describe.skipIf(!canPack)('the package (skipped without dist/ and the addon)', { timeout: 600_000 }, () => {
  let packed: Packed;
  let unpacked: string;
  let manifest: Manifest;
  const paths = (): string[] => packed.files.map(({ path }) => path);
  const text = (path: string): string => readFileSync(join(unpacked, path), 'utf8');

  beforeAll(async () => {
    packed = await pack();
    unpacked = join(packed.folder, 'unpacked');
    unpack(packed.tarball, unpacked);
    manifest = JSON.parse(text('package.json')) as Manifest;
  }, 600_000);
  afterAll(() => packed?.remove());

  it('holds what contents.txt says, and nothing else', () => {
    const lines = readFileSync(join(import.meta.dirname, 'contents.txt'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => ({ line, optional: line.startsWith('? '), pattern: patternOf(line.replace(/^\? /, '')) }));
    expect(paths().filter((path) => !lines.some(({ pattern }) => pattern.test(path)))).toEqual([]);
    const missing = lines.filter(({ optional, pattern }) => !optional && !paths().some((path) => pattern.test(path)));
    expect(missing.map(({ line }) => line)).toEqual([]);
  });

  it('takes at most 13 MB where binaries for other platforms are not counted', () => {
    const binaries = packed.files.filter(({ path }) => path.endsWith('.node'));
    const rest = packed.files.filter(({ path }) => !path.endsWith('.node'));
    const bytes = (files: typeof packed.files): number => files.reduce((sum, { size }) => sum + size, 0);
    expect(binaries.length).toBeGreaterThan(0);
    for (const binary of binaries) expect(bytes([...rest, binary]), binary.path).toBeLessThanOrEqual(MOST_BYTES);
  });

  it('installs nothing else and runs nothing while it is installed', () => {
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(manifest.optionalDependencies ?? {}).toEqual({});
    expect(Object.keys(manifest.peerDependencies)).toEqual(['sharp']);
    expect(manifest.peerDependenciesMeta['sharp']?.optional).toBe(true);
    const hooks = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'];
    expect(Object.keys(manifest.scripts).filter((name) => hooks.includes(name))).toEqual([]);
    // With one of these npm would run node-gyp by itself.
    expect(paths()).not.toContain('binding.gyp');
  });

  it('has every file that package.json names', () => {
    const named = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry).flatMap((kind) => [kind.types, kind.default]),
    );
    named.push(manifest.main, manifest.types, ...Object.values(manifest.bin));
    for (const file of named) expect(paths()).toContain(file.replace(/^\.\//, ''));
  });

  it('has every file that its JavaScript imports, and imports no package but sharp', () => {
    const scripts = paths().filter((path) => /^dist\/.*\.c?js$/.test(path));
    const external = new Set<string>();
    for (const script of scripts) {
      for (const [, , name] of text(script).matchAll(/(\bfrom ?|\bimport ?|\bimport\(|\brequire\()"([^"\n]+)"/g)) {
        if (name!.startsWith('.')) expect(paths()).toContain(join(script, '..', name!));
        else if (/^[@\w]/.test(name!) && !isBuiltin(name!)) external.add(name!);
      }
    }
    expect([...external]).toEqual(['sharp']);
  });

  it('says nothing of the machine it was made on', () => {
    const ours = paths().filter((path) => /\.(c?js|d\.ts|json|md)$/.test(path));
    const places = [root, packed.folder].map((folder) => folder.replace(/\/$/, ''));
    expect(ours.filter((path) => places.some((place) => text(path).includes(place)))).toEqual([]);
  });

  it.each(['zod', 'commander', 'node-gyp-build'])('carries the licence of %s, which is bundled', (name) => {
    const theirs = readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8');
    expect(text(`third_party/licenses/${name}`)).toBe(theirs);
  });

  it('carries the Apache licence of the weights its models derive from', () => {
    expect(text('third_party/licenses/keras-applications')).toMatch(/Apache License\s+Version 2\.0, January 2004/);
    expect(text('models/README.md')).toMatch(/Keras Applications[^]*Apache License/);
  });

  it('bundles only packages whose licences it carries', () => {
    const bundled = [...text('dist/bundled.txt').matchAll(/^(\S+) \S+, \S+: ((?:third_party|dist)\/licenses\/\S+)$/gm)];
    expect(bundled.map(([, name]) => name)).toEqual(expect.arrayContaining(['zod', 'commander', 'node-gyp-build']));
    expect(bundled.map(([, , licence]) => licence).filter((licence) => !paths().includes(licence!))).toEqual([]);
  });

  it('is found and loaded by node-gyp-build, as any package with prebuilt binaries', () => {
    const { LIBC: _, NEONSENSE_BINARY: __, ...env } = process.env;
    const script = `
      const load = require(${JSON.stringify(join(root, 'node_modules/node-gyp-build'))});
      console.log(load.resolve('.'), typeof load('.').createSession);`;
    const libc = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
    const answer = execFileSync(process.execPath, ['--eval', script], {
      cwd: unpacked,
      env: { ...env, LIBC: libc.header.glibcVersionRuntime === undefined ? 'musl' : 'glibc' },
      encoding: 'utf8',
    });
    const report = execFileSync(process.execPath, ['dist/cli/main.js', 'doctor', '--json'], {
      cwd: unpacked,
      env,
      encoding: 'utf8',
    });
    const { binary } = JSON.parse(report) as { binary: { file: string; origin: string } };
    expect(binary.origin).toBe('prebuild');
    expect(answer).toBe(`${binary.file} function\n`);
  });

  it('installs offline and in odd folders, and works from ES modules, CommonJS and TypeScript', async () => {
    const smoke = join(root, 'scripts/proof/smoke/smoke.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [smoke, '--tarball', packed.tarball]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    expect(stdout).toMatch(/\n\d+ passed, 0 failed\n$/);
  });
});

/** `*` is part of one name, `**` also what lies below. */
function patternOf(line: string): RegExp {
  const escaped = line.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replace(/\*\*|\*/g, (stars) => (stars === '**' ? '.*' : '[^/]*'))}$`);
}
