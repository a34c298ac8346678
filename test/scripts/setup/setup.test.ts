import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

// What scripts/setup.sh says on machines that lack something: a copy of it runs with a PATH of stand-ins.

const scripts = resolve(import.meta.dirname, '../../../scripts');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense setup '));
  mkdirSync(join(folder, 'scripts'));
  mkdirSync(join(folder, 'bin'));
  copyFileSync(join(scripts, 'setup.sh'), join(folder, 'scripts', 'setup.sh'));
  const real = ['dirname', 'wc', 'tail', 'sed', 'head', 'cat'];
  for (const tool of real) program(tool, `PATH='${process.env['PATH']}' exec ${tool} "$@"`);
  // Keeps the PATH of stand-ins, so that what it starts is a stand-in too.
  program('env', 'exec /usr/bin/env "$@"');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string, body = 'exit 0') {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function setup() {
  const result = spawnSync('/bin/bash', [join(folder, 'scripts', 'setup.sh')], {
    encoding: 'utf8',
    env: { PATH: join(folder, 'bin') },
    input: '',
  });
  return { code: result.status, error: result.stderr, output: result.stdout };
}

/** A machine with Node and everything but the tools named. */
function machineWithout(...lacking: string[]) {
  for (const tool of ['npm', 'c++', 'cc', 'cmake', 'ninja', 'ccache', 'xz', 'tar'])
    if (!lacking.includes(tool)) program(tool);
  program('node', `exec '${process.execPath}' "$@"`);
  program('uname', 'echo Linux');
}

test('says which Node is needed when there is none, or an old one', () => {
  expect(setup().error).toMatch(/Node is not installed.*20\.9/);
  program('npm');
  program('node', '[ "$1" = --version ] && echo v18.19.0 && exit 0\nexit 1');
  const { code, error } = setup();
  expect(error).toMatch(/Node v18\.19\.0 is too old.*20\.9/);
  expect(code).toBe(1);
});

test('names the packages and the command when it may not install them', () => {
  machineWithout('ninja', 'c++');
  program('apt-get', 'exit 9');
  program('id', 'echo 1000');
  program('sudo', 'exit 1');
  const { code, error } = setup();
  expect(error).toContain('sudo apt-get install -y g++ ninja-build');
  expect(code).toBe(1);

  rmSync(join(folder, 'bin', 'sudo'));
  expect(setup().error).toMatch(/As root, run: apt-get update && apt-get install -y g\+\+ ninja-build/);
});

test('names what is missing on a system without apt', () => {
  machineWithout('cmake');
  expect(setup().error).toMatch(/missing: cmake .*package manager/);
});

test('installs by apt as root, and shows what apt said when that fails', () => {
  machineWithout('cmake', 'xz');
  program('id', 'echo 0');
  program('apt-get', 'echo "apt was asked to: $*"\n[ "$1" = update ]');
  const { code, error, output } = setup();
  expect(output).toContain('installing cmake xz-utils');
  expect(error).toMatch(/apt was asked to: install -y .*cmake xz-utils/);
  expect(error).toMatch(/failed; what it said is above/);
  expect(code).toBe(1);
});
