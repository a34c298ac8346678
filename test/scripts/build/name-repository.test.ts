import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const WORKFLOW = { GITHUB_SERVER_URL: 'https://git.example', GITHUB_REPOSITORY: 'some-owner/a.fork' };
const URL = 'git+https://git.example/some-owner/a.fork.git';
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense repository '));
  file = join(folder, 'package.json');
  copyFileSync(join(root, 'package.json'), file);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function name(workflow: Record<string, string>): { status: number | null; stderr: string } {
  const { GITHUB_SERVER_URL: _, GITHUB_REPOSITORY: __, ...env } = process.env;
  return spawnSync(process.execPath, [join(root, 'scripts/build/name-repository.mjs'), file], {
    encoding: 'utf8',
    env: { ...env, ...workflow },
  });
}

test("a workflow's own repository becomes the package's, and nothing else changes", () => {
  const before = JSON.parse(readFileSync(file, 'utf8')) as object;
  expect(name(WORKFLOW)).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ ...before, repository: { type: 'git', url: URL } });
  expect(name(WORKFLOW).status).toBe(0);
  // npm reads it as the same repository: it rewrites what it can't make sense of.
  const normalized = spawnSync('npm', ['pkg', 'get', 'repository.url'], { cwd: folder, encoding: 'utf8' });
  expect(JSON.parse(normalized.stdout)).toBe(URL);
});

test('another repository than the one a package.json names can not take its place', () => {
  writeFileSync(
    file,
    JSON.stringify({ name: 'x', repository: { type: 'git', url: 'git+https://git.example/a/b.git' } }),
  );
  const before = readFileSync(file, 'utf8');
  const { status, stderr } = name(WORKFLOW);
  expect(status).toBe(1);
  expect(stderr).toContain(`names git+https://git.example/a/b.git, but this is ${URL}`);
  expect(readFileSync(file, 'utf8')).toBe(before);
});

test.each<[string, Record<string, string>]>([
  ['outside a workflow', {}],
  ['with a name that is no OWNER/NAME', { ...WORKFLOW, GITHUB_REPOSITORY: 'a/b/c' }],
  ['without https', { ...WORKFLOW, GITHUB_SERVER_URL: 'http://git.example' }],
])('%s nothing is written', (_, workflow) => {
  const before = readFileSync(file, 'utf8');
  const { status, stderr } = name(workflow);
  expect(status).toBe(1);
  expect(stderr).toMatch(/expected GITHUB_SERVER_URL like https:\/\/HOST and GITHUB_REPOSITORY like OWNER\/NAME, got /);
  expect(readFileSync(file, 'utf8')).toBe(before);
});
