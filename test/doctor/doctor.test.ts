import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportText } from '../../lib/cli/doctor.js';
import { type DoctorReport, diagnose } from '../../lib/doctor/doctor.js';
import { describeThreads, examineRuntime } from '../../lib/doctor/runtime.js';
import { kernelsFor } from '../../lib/runtime/kernels.js';
import type { LoadAttempt } from '../../lib/runtime/load/load.js';
import { modelsFolder, readManifest } from '../../lib/shipped/manifest.js';
import { selfTestPicture } from '../../lib/shipped/selfTest.js';

const attempt: LoadAttempt = {
  file: '/somewhere/neonsense.node',
  origin: 'prebuild',
  cause: 'old-glibc',
  why: 'it needs glibc 2.38 or newer, this system has 2.28',
  advice: 'use a newer system',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const textOf = (report: DoctorReport): string => reportText(report);

describe('on a machine where all is well', () => {
  it('every precision passes its self-test and the choice is the one of Classifier.load', async () => {
    const report = await diagnose();
    expect(report.problems).toEqual([]);
    expect(report.healthy).toBe(true);
    const ran = report.selfTest.filter(({ state }) => state === 'passed').map(({ precision }) => precision);
    expect(ran).toEqual(expect.arrayContaining(['fp32', 'fp16', 'int8-dynamic', 'int8-static']));
    expect(report.choice!.variant).toMatch(/^household-/);
    expect(report.binary).toMatchObject({ loaded: true, file: expect.stringMatching(/neonsense.*node$/) });
    expect(textOf(report)).toMatch(/self-test {3}ok {3}fp32[^]*All is well\.$/);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
});

describe('on a machine where something is broken', () => {
  it('tells what it knows when the addon does not load', async () => {
    const report = await diagnose({ runtime: () => examineRuntime(() => ({ attempts: [attempt] })) });
    expect(report).toMatchObject({ healthy: false, cpu: null, threads: null, selfTest: [] });
    expect(report.node).toBe(process.versions.node);
    expect(report.choice!.variant).toBe('household-fp32');
    const text = textOf(report);
    expect(text).toContain('cpu         unknown without the binary');
    expect(text).toMatch(
      /One thing is broken:\n\* The native addon could not be loaded[^]*glibc 2\.38[^]*use a newer system/,
    );
  });

  it('says that a model is damaged or missing', async () => {
    cpSync(modelsFolder, folder, { recursive: true });
    truncateSync(join(folder, 'household-int8-static.safetensors'), 1000);
    rmSync(join(folder, 'household-int8-dynamic.safetensors'));
    const report = await diagnose({ models: folder });
    expect(report.healthy).toBe(false);
    expect(report.problems.join('\n')).toMatch(
      /household-int8-static\.safetensors is damaged[^]*self-test of int8-static failed/,
    );
    const state = Object.fromEntries(report.models.map((model) => [model.name, model.state]));
    expect(state).toMatchObject({ 'household-int8-dynamic': 'missing', 'household-int8-static': 'damaged' });
    // The kernels are tried all the same, with a model made on the spot.
    const made = report.selfTest.find(({ precision }) => precision === 'int8-dynamic')!;
    expect([made.state, made.what]).toEqual(['passed', 'household-fp32.safetensors, quantized']);
  });

  it('fails the self-test when the numbers are not those that were recorded', async () => {
    cpSync(modelsFolder, folder, { recursive: true });
    const manifest = JSON.parse(JSON.stringify(readManifest()));
    // The same first class, but one logit off by a hundredth of their range.
    const recorded = manifest.selfTest[0].logits;
    const range = Math.max(...recorded) - Math.min(...recorded);
    recorded[1] -= 0.01 * range;
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ format: 1, ...manifest }));
    const report = await diagnose({ models: folder });
    const states = Object.fromEntries(report.selfTest.map(({ precision, state }) => [precision, state]));
    expect(states).toMatchObject({ fp32: 'failed', fp16: 'passed', 'int8-dynamic': 'passed' });
    expect(report.problems.join()).toMatch(/self-test of fp32 failed: .*off by 1\.0 % of their range/);
  });

  it('says which condition of the manifest is misspelt', async () => {
    cpSync(modelsFolder, folder, { recursive: true });
    const { rules, ...manifest } = readManifest();
    const misspelt = [{ ...rules[0], anyFeatures: ['dotprod'] }, ...rules];
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ format: 1, ...manifest, rules: misspelt }));
    const report = await diagnose({ models: folder, runtime: () => examineRuntime(() => ({ attempts: [attempt] })) });
    expect(report.problems.join()).toMatch(
      /manifest\.json: `rules\[0\]\.anyFeatures` is not known: did you mean anyFeature/,
    );
  });

  it('without sharp is not broken, but says what to do', async () => {
    const report = await diagnose({
      runtime: () => examineRuntime(() => ({ attempts: [attempt] })),
      sharp: () => Promise.reject(new Error('run `npm install sharp`')),
    });
    expect(report.sharp).toEqual({ version: null, problem: 'run `npm install sharp`' });
    expect(report.problems).toHaveLength(1);
    expect(textOf(report)).toContain('sharp       run `npm install sharp`');
  });

  it('says that there are no models', async () => {
    const report = await diagnose({ models: folder });
    expect(report).toMatchObject({ healthy: false, choice: null, models: [], selfTest: [] });
  });
});

describe('threads', () => {
  // Also within what the machine that runs the tests allows, which the default asks by itself.
  it('names the limit that decides', () => {
    expect(describeThreads(1, 8, Infinity)).toMatchObject({
      default: 1,
      why: expect.stringMatching(/1 cores of the fastest/),
    });
    expect(describeThreads(1, 8, 2.5)).toMatchObject({ quota: 2.5 });
    expect(describeThreads(1, 8, Infinity)).toMatchObject({ quota: null });
  });
});

describe('kernels', () => {
  it.each([
    ['arm64', ['neon'], 'NEON multiply-add (SMLAL)'],
    ['arm64', ['neon', 'dotprod'], 'NEON dot product (SDOT)'],
    ['arm64', ['neon', 'dotprod', 'i8mm'], 'NEON i8mm (SMMLA)'],
    ['x64', ['sse4.1', 'avx', 'fma3', 'avx2'], 'AVX2'],
    ['x64', ['sse4.1', 'avx2', 'avxvnni'], 'AVX-VNNI'],
    ['x64', ['avx2', 'avx512f', 'avx512bw', 'avx512vnni'], 'AVX-512 VNNI'],
    ['x64', [], 'SSE2'],
  ])('for INT8 on %s with %j: %s', (arch, features, kernel) => {
    expect(kernelsFor(arch, features).int8).toBe(kernel);
  });
});

it('the built-in picture is a dark ring around a light dial with dark hands', () => {
  const { data } = selfTestPicture();
  const grey = (x: number, y: number): number => data[(y * 32 + x) * 3]!;
  expect(grey(16, 3)).toBeLessThan(100);
  expect(grey(16, 22)).toBeGreaterThan(200);
  expect(grey(21, 13)).toBeLessThan(100);
});
