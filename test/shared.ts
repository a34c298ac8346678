import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** The folder of shared checkpoints and data: `NEONSENSE_SHARED`, else `../shared` beside the project; undefined where neither is there. */
export function sharedDir(): string | undefined {
  const candidates = [process.env['NEONSENSE_SHARED'], join(projectRoot, '..', 'shared')];
  return candidates.find((dir) => dir !== undefined && existsSync(join(dir, 'data')));
}

/** `describe` for tests that read the shared folder; skipped, and saying so, without it. */
export function describeShared(name: string, body: (shared: string) => void): void {
  const shared = sharedDir();
  if (shared === undefined) {
    describe.skip(`${name} (skipped: no ../shared folder and NEONSENSE_SHARED is not set)`, () => body(''));
  } else {
    describe(name, () => body(shared));
  }
}
