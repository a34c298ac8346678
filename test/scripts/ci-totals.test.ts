import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = resolve(import.meta.dirname, '../../.ci/totals.mjs');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-totals-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function vitestReport(name: string, files: Record<string, string[]>) {
  const testResults = Object.entries(files).map(([file, states]) => ({
    name: file,
    status: states.includes('failed') || states.length === 0 ? 'failed' : 'passed',
    assertionResults: states.map((status) => ({ status, fullName: 'the same name' })),
  }));
  writeFileSync(join(folder, name), JSON.stringify({ testResults }));
}

function totals(...failedStages: string[]) {
  const result = spawnSync(process.execPath, [script, folder, ...failedStages], { encoding: 'utf8' });
  return { line: result.stdout.trimEnd().split('\n').at(-1), code: result.status };
}

test('adds up vitest and GoogleTest reports', () => {
  vitestReport('a.json', { x: ['passed', 'passed', 'skipped', 'pending', 'todo'] });
  const testsuite = [
    { name: 'a', result: 'COMPLETED' },
    { name: 'b', result: 'SKIPPED' },
  ];
  writeFileSync(join(folder, 'native.json'), JSON.stringify({ testsuites: [{ name: 'S', testsuite }] }));
  expect(totals()).toEqual({ line: '3 passed, 0 failed, 4 skipped', code: 0 });
});

test('a test that one run skipped and another ran counts once, as run', () => {
  vitestReport('x64.json', { x: ['passed'], arm64: ['skipped', 'skipped'] });
  vitestReport('arm64.json', { arm64: ['passed', 'skipped'] });
  expect(totals()).toEqual({ line: '2 passed, 0 failed, 1 skipped', code: 0 });
});

test('fails for a failed test, a file that did not load, a failed stage, and when nothing ran', () => {
  expect(totals()).toEqual({ line: '0 passed, 0 failed, 0 skipped', code: 1 });
  vitestReport('a.json', { x: ['passed'] });
  expect(totals('a stage')).toEqual({ line: '1 passed, 1 failed, 0 skipped', code: 1 });
  vitestReport('b.json', { y: ['failed'], broken: [] });
  expect(totals('a stage')).toEqual({ line: '1 passed, 2 failed, 0 skipped', code: 1 });
  const testsuite = [{ name: 'a', result: 'COMPLETED', failures: [{ failure: 'no' }] }];
  writeFileSync(join(folder, 'native.json'), JSON.stringify({ testsuites: [{ name: 'S', testsuite }] }));
  expect(totals()).toEqual({ line: '1 passed, 3 failed, 0 skipped', code: 1 });
});
