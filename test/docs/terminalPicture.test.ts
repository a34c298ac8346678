// README's picture of a terminal shows what the commands print. Numbers differ from machine to machine, and so does the
// order of what is improbable.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { COMMANDS, linesOf, PICTURE } from '../../scripts/build/draw-terminal.mjs';
import { projectRoot } from '../cli/run.js';

const picture = readFileSync(PICTURE, 'utf8');
const shown = [...picture.matchAll(/<text[^>]*>(.*)<\/text>/g)].map(([, text]) =>
  text!
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&'),
);
/** Numbers, which models are fastest, and what is improbable are left out. */
const comparable = (line: string): string =>
  line
    .replaceAll(/\u001b\[[\d;]*m/g, '')
    .replace(/household-[\w-]+/, 'MODEL')
    .replace(/^ {2}\w+ +\d\.\d %.*/, '  LABEL # %')
    .replaceAll(/[\d.]+/g, '#')
    .replaceAll(/█+| +/g, ' ')
    .trim();

const isThere =
  process.platform === 'linux' &&
  existsSync(join(projectRoot, 'dist/cli/main.js')) &&
  spawnSync('script', ['--version']).status === 0;

describe('the picture of a terminal in README', () => {
  it.skipIf(!isThere)('is what the commands print (skipped without dist/ and util-linux)', () => {
    const printed = (linesOf(COMMANDS) as string[]).filter((line) => line !== '');
    expect(shown.map(comparable)).toEqual(printed.map(comparable));
  });

  it('is small, asks for nothing, and is shown', () => {
    expect(statSync(PICTURE).size).toBeLessThan(60_000);
    expect(picture.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(/https?:|url\(|<image|<script/);
    expect(readFileSync(join(projectRoot, 'README.md'), 'utf8')).toContain('](docs/pictures/terminal.svg)');
  });
});
