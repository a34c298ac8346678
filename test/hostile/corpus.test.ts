// Inputs that the fuzzer found or that stand for what it found (scripts/proof/fuzz): each reader refuses them with an
// error of ours, or reads them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const corpus = join(import.meta.dirname, 'corpus');
const isBuilt = existsSync(join(root, 'dist/internal.cjs'));
const targets: Record<string, (data: Buffer) => unknown> = isBuilt
  ? createRequire(import.meta.url)(join(root, 'scripts/proof/fuzz/targets.cjs'))
  : {};
const inputs = readdirSync(corpus).flatMap((target) =>
  readdirSync(join(corpus, target)).map((name): [string, string] => [target, name]),
);

describe.skipIf(!isBuilt)('the corpus of the fuzzer (skipped without dist/)', () => {
  it.each(inputs)('%s survives %s', async (target, name) => {
    expect(Object.keys(targets)).toContain(target);
    await targets[target]!(readFileSync(join(corpus, target, name)));
  });

  it('has an input for each reader, and each reader notices an error that is none of ours', async () => {
    expect(new Set(inputs.map(([target]) => target))).toEqual(new Set(Object.keys(targets)));
    // Not bytes at all: what a reader does with them is no refusal.
    await expect(async () => targets['pickle']!(null as unknown as Buffer)).rejects.toThrow(TypeError);
  });
});
