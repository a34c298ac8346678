import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adviceFor, checkFolder, compiledFiles, missingTools, TOOLS } from '../../lib/cli/build.js';
import { projectRoot } from './run.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense build '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function tool(name: string, mode = 0o755): void {
  writeFileSync(join(folder, name), '#!/bin/sh\n', { mode });
}

describe('what a build needs', () => {
  it('is what scripts/setup.sh looks for', () => {
    const script = readFileSync(join(projectRoot, 'scripts', 'setup.sh'), 'utf8');
    const wanted = [...script.matchAll(/command -v (\S+) >\/dev\/null \|\| missing\+=\((\S+)\)/g)].map(([, a, b]) => [
      a,
      b,
    ]);
    expect(wanted.length).toBeGreaterThan(3);
    expect(TOOLS).toEqual(wanted);
  });

  it('is looked for in every folder of the path', async () => {
    for (const [name] of TOOLS) if (name !== 'cmake') tool(name);
    tool('bash');
    expect(await missingTools([join(folder, 'none'), folder].join(delimiter))).toEqual(['cmake']);
    tool('cmake', 0o644);
    expect(await missingTools(folder)).toEqual(process.getuid?.() === 0 ? ['cmake'] : ['cmake']);
    chmodSync(join(folder, 'cmake'), 0o755);
    expect(await missingTools(folder)).toEqual([]);
  });

  it('is asked for by the names of its packages', () => {
    expect(adviceFor([], 'linux')).toBeUndefined();
    expect(adviceFor(['c++', 'ninja'], 'linux')).toMatch(
      /c\+\+, ninja are missing\. Run: sudo apt-get install -y g\+\+ ninja-build/,
    );
    expect(adviceFor(['cmake'], 'darwin')).toMatch(
      /cmake is missing\. Run: xcode-select --install; brew install cmake/,
    );
  });
});

describe('the folder to build in', () => {
  it('is the package, with its sources', async () => {
    await checkFolder(projectRoot);
    await expect(checkFolder(folder)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });

  it('is not one inside an Electron archive', async () => {
    await expect(checkFolder('/opt/app.asar/node_modules/neonsense')).rejects.toThrow(/before packaging the app/);
  });

  it.skipIf(process.getuid?.() === 0)('can be written to', async () => {
    mkdirSync(join(folder, 'native'));
    mkdirSync(join(folder, 'scripts'));
    writeFileSync(join(folder, 'scripts', 'setup.sh'), '');
    writeFileSync(join(folder, 'CMakeLists.txt'), '');
    chmodSync(folder, 0o555);
    await expect(checkFolder(folder)).rejects.toThrow(/can't be written to/);
    chmodSync(folder, 0o755);
  });
});

it('progress is the last count in the log', () => {
  expect(compiledFiles('$ npm run build:native\n')).toBeUndefined();
  expect(compiledFiles('[1/993] Building C object a.o\nnote [7/8]\n[12/993] Building C object b.o\n')).toEqual({
    done: 12,
    total: 993,
  });
});
