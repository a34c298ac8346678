// docs/recipes.md and examples/recipes/ are one thing twice: for readers, and to be run.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../cli/run.js';
import { recipes } from './page.js';

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

describe('the page of recipes', () => {
  it('has every folder of examples/recipes', () => {
    const shown = recipes().map(({ folder }) => folder.split('/').at(-1));
    expect(shown.sort()).toEqual(readdirSync(join(projectRoot, 'examples/recipes')).sort());
  });

  it.each(recipes())('shows the files of $title as they are', ({ folder, files }) => {
    expect([...files.keys(), 'package.json'].sort()).toEqual(filesIn(folder));
    for (const [name, text] of files) expect(text).toBe(readFileSync(join(folder, name), 'utf8'));
  });

  it.each(recipes())('installs what $title depends on', ({ folder, commands }) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const [install] = commands.filter((line) => line.startsWith('npm install '));
    const names = install!.split(' ').filter((word) => !/^(npm|install|--.*)$/.test(word));
    expect(names.sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });
});
