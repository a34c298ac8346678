import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

// scripts/setup/vendor.mjs on a small source of its own: a git repository, and a tarball of it. Nothing here reaches a
// network.

const scripts = resolve(import.meta.dirname, '../../../scripts/setup');
let folder: string;
let repository: string;
let tarball: string;
let commit: string;

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.invalid', '-c', 'init.defaultBranch=main'];
  return execFileSync('git', ['-C', repository, ...identity, ...args], { encoding: 'utf8' }).trim();
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

interface Pins {
  upstream?: string;
  commit?: string;
  sha256?: string;
  licence?: string;
  treeSha256?: string;
}

/** A fresh third_party folder with a manifest of one source, `demo`. */
function writeManifest(pins: Pins = {}): string {
  const thirdParty = join(folder, 'third party');
  mkdirSync(join(thirdParty, 'licenses'), { recursive: true });
  writeFileSync(join(thirdParty, 'licenses', 'demo'), pins.licence ?? 'do as you like\n');
  const unpacked = mkdtempSync(join(folder, 'unpacked-'));
  execFileSync('tar', ['-xf', '-', '-C', unpacked], {
    input: execFileSync('git', ['-C', repository, 'archive', pins.commit ?? commit]),
  });
  const treeSha256 = execFileSync(process.execPath, [join(scripts, 'hash-tree.mjs'), unpacked], {
    encoding: 'utf8',
  }).trim();
  const source = {
    name: 'demo',
    upstream: pins.upstream ?? join(folder, 'no such upstream'),
    commit: pins.commit ?? commit,
    license: { spdx: 'MIT', file: 'LICENSE' },
    debian: {
      package: 'neonsense-test-no-such-package',
      tarball: 'demo.tar.gz',
      sha256: pins.sha256 ?? sha256(tarball),
      stripComponents: 1,
    },
    treeSha256: pins.treeSha256 ?? treeSha256,
  };
  const manifest = join(thirdParty, 'manifest.json');
  writeFileSync(manifest, JSON.stringify({ sources: [source] }));
  return manifest;
}

/** Without apt-get on the PATH, so that the Debian way fails at once unless the tarball is in the cache. */
function vendor(manifest: string, environment: Record<string, string> = {}) {
  const bin = join(folder, 'bin');
  if (!existsSync(bin)) {
    mkdirSync(bin);
    for (const tool of ['git', 'tar', 'gzip']) {
      const path = execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim();
      writeFileSync(join(bin, tool), `#!/bin/sh\nPATH='${process.env['PATH']}' exec '${path}' "$@"\n`, { mode: 0o755 });
    }
  }
  const { NEONSENSE_THIRD_PARTY: _, ...env } = process.env;
  const result = spawnSync(process.execPath, [join(scripts, 'vendor.mjs'), '--manifest', manifest], {
    encoding: 'utf8',
    env: { ...env, PATH: `${bin}:/bin-that-is-not-there`, ...environment },
  });
  return { code: result.status, output: result.stdout, error: result.stderr };
}

const vendored = () => join(folder, 'third party', 'src', 'demo');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense vendor '));
  repository = join(folder, 'demo');
  mkdirSync(join(repository, 'src'), { recursive: true });
  writeFileSync(join(repository, 'LICENSE'), 'do as you like\n');
  writeFileSync(join(repository, 'src', 'a.c'), 'int a;\n');
  git('init', '--quiet');
  git('config', 'uploadpack.allowAnySHA1InWant', 'true');
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  commit = git('rev-parse', 'HEAD');
  tarball = join(folder, 'any-name.tar.gz');
  git('archive', '--prefix=demo-1/', '-o', tarball, 'HEAD');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('fetches the pinned commit by git, even when the upstream has moved on', () => {
  writeFileSync(join(repository, 'src', 'a.c'), 'int b;\n');
  git('commit', '--quiet', '-am', 'second');
  const { code, error } = vendor(writeManifest({ upstream: repository }));
  expect(error).toBe('');
  expect(code).toBe(0);
  expect(readFileSync(join(vendored(), 'src', 'a.c'), 'utf8')).toBe('int a;\n');
  expect(existsSync(join(vendored(), '.git'))).toBe(false);
});

test('a second run leaves the folder as it is', () => {
  const manifest = writeManifest();
  expect(vendor(manifest, { NEONSENSE_THIRD_PARTY: folder }).code).toBe(0);
  const before = statSync(join(vendored(), 'src', 'a.c')).ino;
  const { code, output } = vendor(manifest);
  expect({ code, output }).toEqual({ code: 0, output: '' });
  expect(statSync(join(vendored(), 'src', 'a.c')).ino).toBe(before);
});

test('unpacks a tarball that NEONSENSE_THIRD_PARTY names, or that lies in the folder it names', () => {
  for (const given of [tarball, folder]) {
    rmSync(join(folder, 'third party'), { recursive: true, force: true });
    const manifest = writeManifest();
    if (given === folder) renameSync(repository, join(folder, 'elsewhere'));
    expect(vendor(manifest, { NEONSENSE_THIRD_PARTY: given }).error).toBe('');
    expect(readFileSync(join(vendored(), 'src', 'a.c'), 'utf8')).toBe('int a;\n');
  }
});

test('takes from a checkout what its pinned commit holds, not local edits', () => {
  const manifest = writeManifest();
  writeFileSync(join(repository, 'src', 'a.c'), 'int edited;\n');
  expect(vendor(manifest, { NEONSENSE_THIRD_PARTY: folder }).code).toBe(0);
  expect(readFileSync(join(vendored(), 'src', 'a.c'), 'utf8')).toBe('int a;\n');
});

test('refuses a plain folder whose content is not the pinned one', () => {
  const manifest = writeManifest();
  rmSync(join(repository, '.git'), { recursive: true });
  rmSync(tarball);
  appendFileSync(join(repository, 'src', 'a.c'), '// edited\n');
  const { code, error } = vendor(manifest, { NEONSENSE_THIRD_PARTY: folder });
  expect(code).toBe(1);
  expect(error).toContain('not the pinned content');
});

test('refuses what git, a tarball or a checkout gave when its files are not the pinned ones', () => {
  const pins = { upstream: repository, treeSha256: '0'.repeat(64) };
  for (const given of ['', tarball, folder]) {
    const { code, error } = vendor(writeManifest(pins), given === '' ? {} : { NEONSENSE_THIRD_PARTY: given });
    expect(code).toBe(1);
    expect(error).toMatch(new RegExp(`${given === '' ? 'git' : 'NEONSENSE_THIRD_PARTY'}: not the pinned content`));
    expect(existsSync(vendored())).toBe(false);
  }
});

test('takes the tarball from the cache only when its SHA-256 is the pinned one', () => {
  const manifest = writeManifest();
  mkdirSync(join(folder, 'third party', 'cache'));
  const cached = join(folder, 'third party', 'cache', 'demo.tar.gz');
  writeFileSync(cached, Buffer.concat([readFileSync(tarball), Buffer.from('x')]));
  expect(vendor(manifest).code).toBe(1);
  expect(existsSync(vendored())).toBe(false);
  writeFileSync(cached, readFileSync(tarball));
  expect(vendor(manifest).code).toBe(0);
  expect(existsSync(vendored())).toBe(true);
});

test('replaces a folder of another pin, and one without a stamp', () => {
  const first = writeManifest({ upstream: repository });
  expect(vendor(first).code).toBe(0);
  writeFileSync(join(repository, 'src', 'a.c'), 'int b;\n');
  git('commit', '--quiet', '-am', 'second');
  commit = git('rev-parse', 'HEAD');
  expect(vendor(writeManifest({ upstream: repository })).code).toBe(0);
  expect(readFileSync(join(vendored(), 'src', 'a.c'), 'utf8')).toBe('int b;\n');

  rmSync(join(vendored(), '.neonsense-pin.json'));
  writeFileSync(join(vendored(), 'src', 'a.c'), 'int unknown;\n');
  expect(vendor(writeManifest({ upstream: repository })).code).toBe(0);
  expect(readFileSync(join(vendored(), 'src', 'a.c'), 'utf8')).toBe('int b;\n');
});

test('names every way it tried and why it failed, and leaves nothing half-made', () => {
  const { code, error } = vendor(writeManifest(), { NEONSENSE_THIRD_PARTY: join(folder, 'nowhere') });
  expect(code).toBe(1);
  expect(error).toMatch(/already unpacked: no such folder/);
  expect(error).toMatch(/NEONSENSE_THIRD_PARTY: .*nowhere does not exist/);
  expect(error).toMatch(/git: git fetch: fatal: /);
  expect(error).toMatch(/Debian source package: apt-get is not on this machine/);
  expect(readdirSync(join(folder, 'third party', 'src'))).toEqual([]);
});

test('stops when the licence of the source is not the committed one', () => {
  const { code, error } = vendor(writeManifest({ upstream: repository, licence: 'pay me\n' }));
  expect(code).toBe(1);
  expect(error).toContain('--update-licenses');
});

test('the manifest of the project pins every source by full commit and SHA-256, each with a committed licence', () => {
  const thirdParty = resolve(import.meta.dirname, '../../../third_party');
  const { sources } = JSON.parse(readFileSync(join(thirdParty, 'manifest.json'), 'utf8')) as {
    sources: Record<string, any>[];
  };
  expect(sources.map((source) => source['name'])).toEqual(['XNNPACK', 'cpuinfo', 'pthreadpool', 'FP16', 'FXdiv']);
  for (const source of sources) {
    expect(source['commit']).toMatch(/^[0-9a-f]{40}$/);
    expect(source['debian'].sha256).toMatch(/^[0-9a-f]{64}$/);
    // Debian names the commit in the version: both pins must mean the same source.
    expect(source['debian'].tarball).toContain(source['commit'].slice(0, 7));
    expect(readFileSync(join(thirdParty, 'licenses', source['name']), 'utf8')).toMatch(/copyright/i);
  }
});
