import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { failuresOf } from '../../lib/cli/compare.js';
import { runProgram } from '../../lib/cli/program.js';
import { readModel, writeModel } from '../../lib/model/files.js';
import { networkOf } from '../../lib/model/network.js';
import { compareLogits } from '../../lib/numbers/compareLogits.js';
import { plainArchitecture } from '../compress/running.js';
import { randomModel } from '../randomModel.js';
import { describeShared } from '../shared.js';

// Each run of the program adds its listeners to this process's streams.
process.stdout.setMaxListeners(50);
process.stderr.setMaxListeners(50);

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neonsense-compress-'));
  await writeModel(plainArchitecture(randomModel()), at('in.safetensors'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command in this process; what it printed and its exit code. */
async function neonsense(...args: string[]): Promise<{ stdout: string; stderr: string; exit: number }> {
  const printed = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((stream) =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      printed[stream] += String(text);
      return true;
    }),
  );
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await runProgram(
      { compress: () => import('../../lib/cli/compress.js'), compare: () => import('../../lib/cli/compare.js') },
      args,
    );
    return { ...printed, exit: Number(process.exitCode) };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
  }
}

describe('neonsense compress', () => {
  it('prunes and quantizes, writes the model, its stages and a report', async () => {
    const { stdout, stderr, exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('out.safetensors'),
      '--prune',
      '0.3',
      '--quantize',
      'dynamic',
      '--runs',
      '3',
      '--keep-stages',
      at('stages'),
      '--report',
      at('report.json'),
      '--require',
      'size=-30%',
    );
    expect(exit).toBe(0);
    expect(stderr).toMatch(
      /^neonsense: pruning without calibration pictures may leave .*\(--calibrate, or --repair none\)\n/,
    );
    // The model, two stages and the report.
    expect(stderr.match(/^neonsense: wrote .*, [\d.]+ KiB$/gm)).toHaveLength(4);
    expect(stdout).toMatch(/^baseline +fp32/m);
    expect(stdout).toMatch(/^quantize-dynamic +int8-dynamic/m);
    expect(stdout).toMatch(/^size .* met$/m);
    const written = await readModel(at('out.safetensors'));
    expect(written.precision).toBe('int8-dynamic');
    expect(written.provenance.map(({ step }) => step)).toEqual(['prune', 'quantize-dynamic']);
    expect(await readdir(at('stages'))).toEqual(['1-prune.safetensors', '2-quantize-dynamic.safetensors']);
    const report = JSON.parse(await readFile(at('report.json'), 'utf8')) as { stages: { bytes: number }[] };
    expect(report.stages.at(-1)!.bytes).toBe((await readFile(at('out.safetensors'))).length);
  });

  it('exits with 1 where a goal is missed, and has written the model all the same', async () => {
    const { stdout, exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('missed.safetensors'),
      '--quantize',
      'fp16',
      '--runs',
      '2',
      '--require',
      'size=-90%',
    );
    expect(exit).toBe(1);
    expect(stdout).toMatch(/^size +at most -90\.0 %.*FAILED$/m);
    expect((await readModel(at('missed.safetensors'))).precision).toBe('fp16');
  });

  it('solves for the weights that pruning left where it has calibration data', async () => {
    await writeFile(
      at('data.bin'),
      Uint8Array.from({ length: 16 * 8 * 8 * 3 }, (_, i) => (i * i * 31) % 251),
    );
    await writeFile(at('data_labels.bin'), new Uint8Array(16));
    const { stdout, exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('repaired.safetensors'),
      '--prune',
      '0.3',
      '--runs',
      '1',
      '--calibrate',
      at('data.bin'),
      '--calibrate-limit',
      '8',
      '--report',
      at('repaired.md'),
    );
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^reconstruct +fp32/m);
    expect(await readFile(at('repaired.md'), 'utf8')).toMatch(/^## reconstruct\n\nOptions: `.*"calibrationImages":8/m);
    const { provenance } = await readModel(at('repaired.safetensors'));
    expect(provenance.map(({ step }) => step)).toEqual(['prune', 'reconstruct']);
  });

  it('quantizes to trained ranges from a file, without pictures, in every layer', async () => {
    const { architecture, preprocessing } = await readModel(at('in.safetensors'));
    const { nodes } = networkOf(architecture, preprocessing.size);
    const ranges = nodes.map(({ name }) => [name, { scale: 0.1, zeroPoint: -3 }]);
    await writeFile(at('ranges.json'), JSON.stringify(Object.fromEntries(ranges)));
    const { stdout, stderr, exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('trained.safetensors'),
      '--quantize',
      'static',
      '--ranges',
      at('ranges.json'),
      '--runs',
      '2',
    );
    expect({ stderr, exit }).toEqual({ stderr: expect.stringMatching(/^neonsense: wrote .*\n$/), exit: 0 });
    expect(stdout).toMatch(/^quantize-static +int8-static/m);
    const { layers, quantization, provenance } = await readModel(at('trained.safetensors'));
    expect([...layers.values()].every(({ weights }) => weights.type === 'i8')).toBe(true);
    expect(quantization).toMatchObject({ mode: 'static', activations: 'qs8' });
    expect(provenance.at(-1)!.details).toMatchObject({ ranges: 'trained', keepFloat: [], equalize: false });
  });

  it.each([
    ['that is not there', ['--quantize', 'static', '--ranges', 'nowhere.json'], 1, /ENOENT/],
    ['that is no JSON', ['--quantize', 'static', '--ranges', 'in.safetensors'], 2, /JSON/],
    ['beside dynamic quantization', ['--quantize', 'dynamic', '--ranges', 'empty.json'], 2, /--quantize/],
    ['without a range for each value', ['--quantize', 'static', '--ranges', 'empty.json'], 2, /ranges\['input'\]/],
  ])('refuses a file of ranges %s', async (_, args, exit, message) => {
    await writeFile(at('empty.json'), '{}');
    const named = args.map((arg) => (arg.includes('.') ? at(arg) : arg));
    const result = await neonsense('compress', at('in.safetensors'), '-o', at('refused.safetensors'), ...named);
    expect(result.stderr).toMatch(message);
    expect(result.exit).toBe(exit);
    expect(await readdir(folder)).not.toContain('refused.safetensors');
  });

  it('takes the steps in the order asked for', async () => {
    const { exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('order.safetensors'),
      '--prune',
      '0.5',
      '--quantize',
      'dynamic',
      '--order',
      'quantize,prune',
      '--runs',
      '2',
      '--prune-targets',
      'pointwise',
      '--repair',
      'none',
    );
    expect(exit).toBe(0);
    const { provenance } = await readModel(at('order.safetensors'));
    expect(provenance.map(({ step }) => step)).toEqual(['quantize-dynamic', 'prune']);
  });

  const wrong: [string, number, string[], RegExp][] = [
    ['nothing to do', 2, [], /--prune or --quantize/],
    ['a share of 1', 2, ['--prune', '1'], /up to but not including 1/],
    ['an unknown way to quantize', 2, ['--quantize', 'int4'], /dynamic, static, fp16/],
    ['a goal that can not be read', 2, ['--prune', '0.3', '--require', 'fast'], /size=-30%/],
    ['a goal for accuracy without data', 2, ['--prune', '0.3', '--require', 'accuracy=-5%'], /evaluat/],
    ['static without calibration data', 1, ['--quantize', 'static'], /calibration set is empty/],
    ['a report of no known kind', 2, ['--prune', '0.3', '--report', 'report.pdf'], /\.md, \.json or \.html/],
    ['a search with dynamic', 2, ['--quantize', 'dynamic', '--keep-float', 'auto'], /--keep-float/],
    ['an unknown repair', 2, ['--prune', '0.3', '--repair', 'hope'], /reconstruct, recalibrate, none/],
    ['a layer that is none', 2, ['--quantize', 'dynamic', '--keep-float', 'nowhere'], /nowhere/],
  ];
  it.each(wrong)('refuses %s with exit code %i and writes nothing', async (_, expected, args, message) => {
    const { stderr, exit } = await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('refused.safetensors'),
      ...args,
    );
    expect(stderr).toMatch(message);
    expect(exit).toBe(expected);
    expect(await readdir(folder)).not.toContain('refused.safetensors');
  });
});

describe('neonsense compare', () => {
  it('exits with 0 for equal models and 1 beyond the tolerance', async () => {
    await neonsense(
      'compress',
      at('in.safetensors'),
      '-o',
      at('int8.safetensors'),
      '--quantize',
      'dynamic',
      '--runs',
      '1',
    );
    const same = await neonsense('compare', at('in.safetensors'), at('in.safetensors'), '--tolerance', '0');
    expect(same).toMatchObject({ exit: 0, stderr: '' });
    expect(same.stdout).toMatch(/^A against B +16 .*100\.0 %$/m);
    const loose = await neonsense('compare', at('in.safetensors'), at('int8.safetensors'), '--tolerance', '0.2');
    expect(loose.exit).toBe(0);
    const strict = await neonsense(
      'compare',
      at('in.safetensors'),
      at('int8.safetensors'),
      '--tolerance',
      '1e-7',
      '--json',
    );
    expect(strict.exit).toBe(1);
    const row = JSON.parse(strict.stdout) as { failures: string[]; models: { images: number } };
    expect(row.failures).toEqual([expect.stringMatching(/more than 1e-7/)]);
    expect(row.models.images).toBe(16);
  });

  it('fails on agreement below the limit, NaN, and batches that differ from single pictures', () => {
    const same = compareLogits(Float32Array.of(1, 2), Float32Array.of(1, 2), 2);
    const swapped = compareLogits(Float32Array.of(1, 2), Float32Array.of(2, 1), 2);
    const broken = compareLogits(Float32Array.of(1, 2), Float32Array.of(Number.NaN, 1), 2);
    expect(failuresOf({ models: swapped, singleAgainstBatch: [same, same] }, {})).toEqual([]);
    expect(failuresOf({ models: swapped, singleAgainstBatch: [same, same] }, { agreement: 0.9 })).toHaveLength(1);
    expect(failuresOf({ models: broken, singleAgainstBatch: [same, same] }, { tolerance: 1 })).toHaveLength(1);
    expect(failuresOf({ models: same, singleAgainstBatch: [same, swapped] }, {})).toEqual([
      expect.stringMatching(/^B /),
    ]);
  });
});

describeShared('compression of a checkpoint from the command line', (shared) => {
  it('repairs pruning with calibration data, quantizes statically and scores every stage', async () => {
    const { stdout, exit } = await neonsense(
      'compress',
      join(shared, 'checkpoints', 'household-first.pth'),
      '-o',
      at('static.safetensors'),
      '--prune',
      '0.3',
      '--prune-targets',
      'pointwise',
      '--repair',
      'recalibrate',
      '--quantize',
      'static',
      '--runs',
      '2',
      '--calibrate',
      join(shared, 'data', 'household_train.bin'),
      '--calibrate-images',
      '20',
      '--evaluate',
      join(shared, 'data', 'household_test.bin'),
      '--limit',
      '100',
      '--require',
      'size=-70%,accuracy=-6%',
    );
    expect(stdout).toMatch(/^recalibrate +fp32/m);
    expect(stdout).toMatch(/^accuracy .*met$/m);
    expect(exit).toBe(0);
    const model = await readModel(at('static.safetensors'));
    expect(model.quantization).toMatchObject({ mode: 'static', activations: 'qs8' });
  });
});
