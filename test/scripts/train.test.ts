import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';

// The training scripts are Python; their own tests run here so that one command runs all.
const folder = new URL('../../scripts/train/tests/', import.meta.url);
const names = readdirSync(folder)
  .filter((file) => /^test_.*\.py$/.test(file))
  .flatMap((file) => [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^ {4}def (test_\w+)/gm)])
  .map((match) => match[1] as string);

/** The first Python that has PyTorch: Debian's package belongs to /usr/bin/python3, which need not be the first in PATH. */
const python = [process.env.NEONSENSE_PYTHON, 'python3', '/usr/bin/python3'].find(
  (command) => command !== undefined && spawnSync(command, ['-c', 'import torch, PIL']).status === 0,
);

describe.skipIf(python === undefined)('training (skipped without python3-torch and python3-pil)', () => {
  let output = '';

  beforeAll(() => {
    const run = spawnSync(python as string, ['-m', 'unittest', 'discover', '-v', '-s', '.'], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    output = run.stderr;
  }, 120_000);

  it.each(names)('%s', (name) => {
    const result = new RegExp(`^${name} .*\\.\\.\\. (ok|skipped.*|[A-Z]+)$`, 'm').exec(output)?.[1];
    expect(result, output).toMatch(/^(ok|skipped)/);
  });
});
