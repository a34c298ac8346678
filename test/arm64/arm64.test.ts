// The real arm64 addon in real arm64 Node under qemu-user, on the CPUs people have. Needs the cross build:
//
//   node scripts/build/cross/build.mjs linux-arm64 && NEONSENSE_ARM64=1 npx vitest run test/arm64
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedDir } from '../shared.js';
import { bundleGoldenRun } from './bundleGoldenRun.js';
import { classifyAll } from './variants.js';

const root = join(import.meta.dirname, '../..');
const wanted = process.env['NEONSENSE_ARM64'] === '1';
const bundle = join(root, 'build-arm64/golden-run.mjs');
const MINUTES = 60_000;

/** Every how many of the 1,000 pictures: emulation is a hundred times slower than a Pi. */
const SAMPLE = 50;

/** Sums of halves are rounded to halves: on this picture, which is unlike any photo, up to 5 % of the range were seen. */
const HALF_TOLERANCE = 0.1;

const cpus = [
  { cpu: 'cortex-a53', has: ['neon'], lacks: ['dotprod', 'fp16', 'i8mm'] },
  { cpu: 'cortex-a72', has: ['neon'], lacks: ['dotprod', 'fp16', 'i8mm'] },
  { cpu: 'cortex-a76', has: ['neon', 'dotprod', 'fp16'], lacks: ['i8mm'] },
  { cpu: 'max', has: ['neon', 'dotprod', 'fp16', 'i8mm'], lacks: [] },
];

async function arm64(cpu: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, 'scripts/proof/run-arm64.mjs'), '--cpu', cpu, '--', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`arm64 Node on ${cpu} ended with ${String(code)}:\n${stderr}`);
  return stdout;
}

const title = wanted ? 'arm64 Node' : 'arm64 Node (skipped: NEONSENSE_ARM64 is not 1)';

describe.skipIf(!wanted)(title, () => {
  let onThisMachine: Record<string, number[]>;

  beforeAll(async () => {
    await bundleGoldenRun(bundle);
    process.env['NEONSENSE_MODELS'] = join(root, 'models');
    onThisMachine = await classifyAll();
  }, MINUTES);

  describe.concurrent.each(cpus)('on $cpu', ({ cpu, has, lacks }) => {
    it('agrees with PyTorch, and with this machine', { timeout: 10 * MINUTES }, async () => {
      const goldens = join(root, 'test/golden');
      const output = JSON.parse(await arm64(cpu, bundle, goldens, sharedDir() ?? '-', String(SAMPLE)));
      // The checks throw beyond their tolerance; what is left is that they ran, and where.
      expect(output.arch).toBe('arm64');
      expect(output.cpu.features).toEqual(expect.arrayContaining(has));
      for (const feature of lacks) expect(output.cpu.features).not.toContain(feature);
      expect(output.results['random-small-37'].images).toBeGreaterThan(0);
      if (sharedDir() !== undefined) expect(output.results['household-first'].images).toBe(1000 / SAMPLE);
      // All 1x1 convolutions over more than one pixel: two in each block but the first, one there, and the last layer.
      expect(output.sparseOperators.filter((name: string) => name.includes('SPMM'))).toHaveLength(22);
      expect(Object.keys(output.variants)).toEqual(Object.keys(onThisMachine));
      for (const [file, logits] of Object.entries<number[]>(output.variants)) {
        expectAgreement(file, logits, onThisMachine[file]!);
      }
      expect(Object.keys(output.inHalfPrecision)).toEqual(has.includes('fp16') ? Object.keys(onThisMachine) : []);
      for (const [file, logits] of Object.entries<number[]>(output.inHalfPrecision)) {
        expectAgreement(file, logits, onThisMachine[file]!, HALF_TOLERANCE);
      }
      // Not the plain loop, and each of the eleven.
      const instructions = has.includes('fp16') ? 'NEON half precision' : 'NEON';
      expect(output.depthwiseKernels).toEqual(Array(11).fill(instructions));
    });

    it('classifies a picture', { timeout: 5 * MINUTES }, async () => {
      const line = await arm64(cpu, 'dist/cli/main.js', 'classify', '--json', '--top-k', '1', 'examples/clock.png');
      expect(JSON.parse(line).predictions[0].label).toBe('clock');
    });
  });
});

/** Float models agree in every logit, quantized ones in the label. */
function expectAgreement(file: string, there: number[], here: number[], tolerance = 1e-3): void {
  const range = Math.max(...here) - Math.min(...here);
  const difference = Math.max(...there.map((logit, i) => Math.abs(logit - here[i]!)));
  if (!file.includes('int8')) expect(difference / range, file).toBeLessThan(tolerance);
  expect(there.indexOf(Math.max(...there)), file).toBe(here.indexOf(Math.max(...here)));
}
