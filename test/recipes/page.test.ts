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
    const shown = recipes().map(({ name }) => name);
    expect(shown.sort()).toEqual(readdirSync(join(projectRoot, 'examples/recipes')).sort());
  });

  it.each(recipes())('shows the files of $title as they are', ({ folder, files }) => {
    expect([...files.keys(), 'package.json'].sort()).toEqual(filesIn(folder));
    for (const [name, text] of files) expect(text).toBe(readFileSync(join(folder, name), 'utf8'));
  });

  it.each(recipes())('installs what $title depends on', ({ commands, files, dependencies }) => {
    const text = [...commands, ...files.values()].join('\n');
    for (const [, words] of text.matchAll(/npm install ([^&\n]+)/g)) {
      const names = words!.trim().split(' ');
      expect(names.filter((name) => !name.startsWith('--')).sort()).toEqual(Object.keys(dependencies).sort());
    }
    expect(text).toContain('npm install ');
  });
});
