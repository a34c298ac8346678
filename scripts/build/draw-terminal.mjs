#!/usr/bin/env node
// Draws docs/pictures/terminal.svg, README's picture: what the commands print on a terminal, in its colours, light or dark
// as the reader's system is. Needs a build, and `script` of util-linux, which is a terminal to the commands.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AnsiUp } from 'ansi_up';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const PICTURE = join(root, 'docs/pictures/terminal.svg');
export const COMMANDS = ['npx neonsense classify examples/clock.png', 'npx neonsense classify examples/photo-*.webp'];

/** Of a character, in units of the drawing; lines are stretched to it, whatever font the reader has. */
const [WIDTH, HEIGHT] = [8.4, 20];
const MARGIN = 16;
const COLUMNS = 80;

/**
 * What commands print, each below its prompt.
 * @param {string[]} commands  for a shell
 * @returns {string[]} lines with the terminal's codes for colours
 */
export function linesOf(commands) {
  return commands.flatMap((command, index) => {
    const run = command.replace('npx neonsense', `"${process.execPath}" dist/cli/main.js`);
    const { status, stdout } = spawnSync('script', ['-qec', run, '/dev/null'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm-256color', NO_COLOR: undefined },
    });
    if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}`);
    const printed = stdout.trimEnd().split(/\r?\n/);
    return [...(index === 0 ? [] : ['']), `\u001b[32m$\u001b[39m ${command}`, ...printed];
  });
}

function svgOf(lines) {
  const coloured = new AnsiUp();
  coloured.use_classes = true;
  const rows = lines.map((line, index) => {
    const text = line.replaceAll(/\u001b\[[\d;]*m/g, '');
    if (text === '') return '';
    // Parts of a line are spans with a class or a style, which SVG calls tspan.
    const parts = coloured
      .ansi_to_html(line)
      .replaceAll(/(<\/?)span/g, '$1tspan')
      .replaceAll('opacity:', 'fill-opacity:');
    const length = ([...text].length * WIDTH).toFixed(1);
    return `<text x="${MARGIN}" y="${MARGIN + HEIGHT * (index + 0.75)}" textLength="${length}">${parts}</text>`;
  });
  const [width, height] = [2 * MARGIN + COLUMNS * WIDTH, 2 * MARGIN + lines.length * HEIGHT];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">
<title>neonsense at work on a terminal</title>
<style>
svg { --back: #fbfaf8; --line: #d9d6cd; --ink: #1b1a17; --green: #0a6b56; --yellow: #8a5a00; }
@media (prefers-color-scheme: dark) {
  svg { --back: #151513; --line: #3a3934; --ink: #f0eee8; --green: #6fd3b5; --yellow: #e2a660; }
}
rect { fill: var(--back); stroke: var(--line); }
text { fill: var(--ink); font: 14px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre; }
.ansi-green-fg { fill: var(--green); }
.ansi-yellow-fg { fill: var(--yellow); }
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
${rows.filter((row) => row !== '').join('\n')}
</svg>
`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  writeFileSync(PICTURE, svgOf(linesOf(COMMANDS)));
}
