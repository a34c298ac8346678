import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runProgram } from '../../lib/cli/program.js';
import { readModel, writeModel } from '../../lib/model/files.js';
import { plainArchitecture } from '../compress/running.js';
import { randomFloats, randomModel } from '../randomModel.js';

const IMAGES = 24;
let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-evaluate-'));
  const random = randomFloats(4);
  await writeFile(
    at('data.bin'),
    Uint8Array.from({ length: IMAGES * 8 * 8 * 3 }, () => 128 + 127 * random()),
  );
  await writeFile(
    at('data_labels.bin'),
    Uint8Array.from({ length: IMAGES }, (_, i) => i % 10),
  );
  await writeModel(
    { ...plainArchitecture(randomModel()), confidence: { temperature: 1, rejectBelow: 0.5 } },
    at('in.safetensors'),
  );
});
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command line in this process. */
async function neonsense(...args: string[]): Promise<{ stdout: string; stderr: string; exit: number }> {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    });
  }
  process.exitCode = 0;
  try {
    await runProgram({ evaluate: () => import('../../lib/cli/evaluate.js') }, args);
    return { ...written, exit: Number(process.exitCode) };
  } finally {
    vi.restoreAllMocks();
    process.exitCode = 0;
  }
}

describe('neonsense evaluate --fit-temperature', () => {
  it('writes the same model with a temperature that makes its probabilities truer', async () => {
    const fitted = await neonsense(
      'evaluate',
      at('in.safetensors'),
      '--data',
      at('data.bin'),
      '--json',
      '--fit-temperature',
      at('out.safetensors'),
    );
    expect(fitted.exit).toBe(0);
    expect(fitted.stderr).toMatch(/^neonsense: wrote .*out\.safetensors, [\d.]+ KiB: fitted at temperature [\d.]+$/m);
    const [before, after] = [await readModel(at('in.safetensors')), await readModel(at('out.safetensors'))];
    expect(after.layers).toEqual(before.layers);
    expect(after.provenance.at(-1)).toEqual({ step: 'fit-temperature', details: { images: IMAGES } });
    expect(Object.keys(after.confidence!)).toEqual(['temperature']);

    const again = await neonsense('evaluate', at('out.safetensors'), '--data', at('data.bin'), '--json');
    const errorOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as { ece: number; top1: number };
    // A random network is right by chance only, so that being less sure is always truer.
    expect(errorOf(again).ece).toBeLessThan(errorOf(fitted).ece);
    expect(errorOf(again).top1).toBe(errorOf(fitted).top1);
  });

  it('refuses more than one model and writes nothing', async () => {
    await writeModel(plainArchitecture(randomModel({ seed: 2 })), at('other.safetensors'));
    const { exit, stderr } = await neonsense(
      'evaluate',
      at('in.safetensors'),
      at('other.safetensors'),
      '--data',
      at('data.bin'),
      '--fit-temperature',
      at('no.safetensors'),
    );
    expect(exit).toBe(2);
    expect(stderr).toMatch(/--fit-temperature/);
    expect(await readdir(folder)).not.toContain('no.safetensors');
  });
});
