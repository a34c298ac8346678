// Every program of README and the pages, run with the packed package in a folder that has what it names; what stands in
// a comment behind a console.log is what that prints.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../cli/run.js';
import { install } from './installed.js';
import { blocksOf, page } from './page.js';

/** Pages whose programs other tests run, with what they need. */
const ELSEWHERE: readonly string[] = [
  'docs/camera.md', // livePages.test.ts
  'docs/server.md',
  'docs/electron.md', // test/examples/electron.test.ts
  'docs/recipes.md', // test/recipes
];
const pages = ['README.md', ...readdirSync(join(projectRoot, 'docs')).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md') && !ELSEWHERE.includes(name),
);
const programs = pages.flatMap((name) => blocksOf(page(name), 'js').map((code, i) => ({ name, number: i + 1, code })));

/** What the comments say, where `...` stands for anything and ` or ` is between alternatives. */
function printed(code: string): RegExp[] {
  return [...code.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => {
    const alternatives = text!.split(' or ').map((each) => each.split('...').map(escaped).join('.*'));
    return new RegExp(`^(${alternatives.join('|')})$`, 'm');
  });
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('a page with commands', () => {
  /** Those for a checkout, not for who has installed the package. */
  const ofCheckout = ['docs/training.md'];
  const ranByTests = ['pages.test.ts', 'livePages.test.ts']
    .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
    .join('\n');

  it.each(pages.filter((path) => blocksOf(page(path), 'sh').length > 0 && !ofCheckout.includes(path)))(
    '%s is run',
    (path) => {
      expect(ranByTests).toContain(basename(path, '.md'));
    },
  );
});

describe('the programs of the pages', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-programs-'));
    await install(folder);
    for (const name of ['clock', 'bed', 'chair']) {
      cpSync(join(projectRoot, `examples/${name}.png`), join(folder, `${name}.png`));
      for (const copy of ['1', '2', '3']) {
        mkdirSync(join(folder, 'photos', name), { recursive: true });
        cpSync(join(projectRoot, `examples/${name}.png`), join(folder, 'photos', name, `${copy}.png`));
      }
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are found', () => expect(programs.length).toBeGreaterThan(15));

  it.each(programs)('$name, program $number', { timeout: 300_000 }, ({ code }) => {
    // Node 20 does not know `await using` yet.
    const { code: program } = transformSync(code, { target: 'node20', format: 'esm' });
    writeFileSync(join(folder, 'program.mjs'), program);
    const { status, stdout, stderr } = spawnSync(process.execPath, ['program.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      // Two frames, for a program that reads them.
      input: Buffer.alloc(2 * 640 * 480 * 3),
    });
    expect(status, stderr).toBe(0);
    for (const line of printed(code)) expect(stdout).toMatch(line);
  });
});
