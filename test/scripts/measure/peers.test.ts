import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchRow } from '../../../lib/bench/benchmark.js';
import { findPeer } from '../../../lib/bench/subjects.js';
import { planes, trialInput } from '../../../lib/bench/trialProcess.js';
import type { TrialSpec } from '../../../lib/bench/trialSpec.js';
import { pythonTrials, runPython } from '../../../scripts/measure/peers/python.js';
import { goalsOf, type PeerRow, peersMarkdown, verdictOf } from '../../../scripts/measure/peers/report.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-peers-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec: TrialSpec = {
  engine: 'peer',
  file: 'm',
  threads: 1,
  batch: 2,
  warmup: 0,
  runs: 1,
  fp16: false,
  sparse: false,
  profile: false,
  size: [3, 5],
};

const script = (name: string): string =>
  fileURLToPath(new URL(`../../../scripts/measure/peers/${name}`, import.meta.url));

describe('the input of a trial', () => {
  it('is rearranged to planes without losing a number', () => {
    const pixels = trialInput(spec);
    const turned = planes(pixels, spec);
    for (let image = 0; image < 2; image++) {
      for (let at = 0; at < 15; at++) {
        for (let channel = 0; channel < 3; channel++) {
          expect(turned[(image * 3 + channel) * 15 + at]).toBe(pixels[(image * 15 + at) * 3 + channel]);
        }
      }
    }
    for (const value of pixels) expect(Math.abs(value)).toBeLessThanOrEqual(2);
  });

  it('starts with the values of the generator worked out by hand', () => {
    // state 1 -> 1664525 + 1013904223 = 1015568748; over 2^32, times 4, less 2.
    expect(trialInput(spec)[0]).toBeCloseTo((1015568748 / 2 ** 32) * 4 - 2, 6);
  });
});

describe('findPeer', () => {
  it("finds a package's file and version from a folder, past folders that only say how modules are read", () => {
    const home = join(folder, 'node_modules', 'some-peer');
    mkdirSync(join(home, 'dist'), { recursive: true });
    writeFileSync(join(home, 'package.json'), '{ "name": "some-peer", "version": "1.2.3", "main": "dist/index.js" }');
    writeFileSync(join(home, 'dist', 'package.json'), '{ "type": "commonjs" }');
    writeFileSync(join(home, 'dist', 'index.js'), '');
    expect(findPeer('some-peer', folder)).toEqual({ module: join(home, 'dist', 'index.js'), version: '1.2.3' });
    expect(findPeer('some-other-peer', folder)).toBeUndefined();
  });
});

const python = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!python)('trials in Python (skipped without python3)', () => {
  function program(name: string, source: string): string {
    const file = join(folder, name);
    writeFileSync(file, source);
    return file;
  }

  it('passes the spec as JSON and reads the result from the last line', async () => {
    const result = { initMs: 1, firstMs: 2, samplesMs: [3], peakRssBytes: 4, logits: [1] };
    const file = program(
      'good.py',
      `import json, sys
print("chatter")
print(json.dumps({**json.loads('${JSON.stringify(result)}'), "firstMs": json.loads(sys.argv[2])["runs"]}))`,
    );
    expect(await pythonTrials('python3', [file, 'eager'])(spec)).toEqual({ ...result, firstMs: spec.runs });
  });

  it('tells the error at the end of a traceback, and a Python that is not there', async () => {
    const file = program('bad.py', 'raise ValueError("no such variant")');
    await expect(runPython('python3', [file])).rejects.toThrow(/ValueError: no such variant/);
    await expect(runPython(join(folder, 'no-python'), [file])).rejects.toThrow(/ENOENT/);
  });

  it('kills the program when aborted', async () => {
    const file = program('endless.py', 'import time\ntime.sleep(600)');
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 300);
    await expect(runPython('python3', [file], abort.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('is given the same numbers as every engine', () => {
    const source = `import json, sys
sys.path.insert(0, ${JSON.stringify(dirname(script('trial.py')))})
import trial
print(json.dumps(trial.trial_values(${2 * 3 * 5 * 3})))`;
    const { stdout, stderr } = spawnSync('python3', [program('same.py', source)], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(Float32Array.from(JSON.parse(stdout) as number[])).toEqual(trialInput(spec));
  });
});

describe('the report on peers', () => {
  let features = ['avx2'];
  function peerRow(engine: string, model: string, precision: string, ms: number, threads = 1): PeerRow {
    const environment = { features } as unknown as BenchRow['environment'];
    const samples = [0, 1, 2, 3].map((trial) =>
      Array.from({ length: 20 }, (_, at) => ms * (1 + 0.01 * ((at + trial) % 5))),
    );
    const row: BenchRow = {
      engine,
      model,
      precision,
      threads,
      batch: 1,
      initMs: 10,
      firstMs: 2,
      medianMs: ms,
      p90Ms: ms,
      p99Ms: ms,
      minMs: ms,
      stddevMs: 0,
      rssDeltaBytes: 1e6,
      fileBytes: 1e6,
      samplesMs: samples.flat(),
      imagesPerSecond: 1000 / ms,
      trials: 4,
      environment,
    };
    const trials = samples.map((samplesMs) => ({ initMs: 10, firstMs: 2, samplesMs, peakRssBytes: 1, logits: [] }));
    return { row, trials, top1: engine === 'neonsense' ? 0.9 : undefined };
  }
  const rows = [
    peerRow('neonsense', 'm', 'fp32', 1.8),
    peerRow('neonsense', 'm-dynamic', 'int8-dynamic', 1.5),
    peerRow('neonsense', 'm-static', 'int8-static', 1.2),
    peerRow('onnxruntime-node', 'm', 'fp32', 2.2),
    peerRow('pytorch', 'm', 'fp32-compiled', 2),
    peerRow('onnxruntime-node', 'm', 'int8-static-keep', 1.3),
    peerRow('MNN', 'm', 'int8-dynamic', 1.6),
  ];
  const firstUses = [
    { engine: 'neonsense', samplesMs: [30, 31, 32], aboveBareBytes: [20e6, 20e6, 20e6] },
    { engine: 'onnxruntime-node', samplesMs: [100, 100, 100], aboveBareBytes: [50e6, 50e6, 50e6] },
  ];

  it('holds each goal against the fastest peer of its kind', () => {
    const goals = goalsOf(rows, firstUses);
    expect(goals.map(({ name, limit, ratio }) => [name, limit, Number(ratio.ratio.toFixed(2))])).toEqual([
      ['FP32 against pytorch fp32-compiled, 1 thread', 0.85, 0.9],
      ['m-static against pytorch fp32-compiled, 1 thread', 0.75, 0.6],
      ['m-static against onnxruntime-node int8-static-keep, 1 thread', 1, 0.92],
      ['Import, load and first inference', 0.4, 0.31],
      ['Memory above bare Node after it', 0.35, 0.4],
    ]);
    expect(goals.map(verdictOf)).toEqual(['missed', 'reached', 'reached', 'reached', 'missed']);
  });

  it('asks more of INT8 on a CPU with dot products of bytes', () => {
    features = ['avx2', 'avx512vnni'];
    const pair = [peerRow('neonsense', 'm', 'int8-static', 1.2), peerRow('ncnn', 'm', 'fp32', 2)];
    features = ['avx2'];
    expect(goalsOf(pair, []).map(({ limit }) => limit)).toEqual([0.5]);
  });

  it('says what the second thread gains', () => {
    const pair = [peerRow('neonsense', 'm', 'fp32', 2, 1), peerRow('neonsense', 'm', 'fp32', 1.1, 2)];
    const goals = goalsOf(pair, []);
    expect(goals.map(({ name, ratio }) => [name, Number(ratio.ratio.toFixed(2))])).toEqual([
      ['FP32, 2 threads against 1', 0.55],
    ]);
    expect(goals.map(verdictOf)).toEqual(['reached']);
  });

  it('never compares rows of different numbers of threads', () => {
    const apart = [peerRow('ncnn', 'm', 'fp32', 2, 1), peerRow('neonsense', 'm', 'fp32', 1, 2)];
    expect(goalsOf(apart, [])).toEqual([]);
    expect(peersMarkdown(apart, [])).not.toContain('x |');
  });

  it('says so when the machine is too noisy to tell', () => {
    const ratio = { ratio: 0.98, low: 0.9, high: 1.1, significant: false };
    expect(verdictOf({ name: '', limit: 1, ratio })).toBe('reached, within the noise');
    expect(verdictOf({ name: '', limit: 1, ratio: { ...ratio, ratio: 1.02 } })).toBe('missed, within the noise');
    expect(verdictOf({ name: '', limit: 1.2, ratio })).toBe('reached');
  });

  it('prints ratios to the first row, accuracies where they were counted, and the goals', () => {
    const text = peersMarkdown(rows, firstUses);
    expect(text).toMatch(/\| neonsense +\| m-dynamic \| int8-dynamic +\|.*\| +90\.0 % \|.*\| +0\.833x \|/);
    expect(text).toMatch(/\| onnxruntime-node \| m +\| int8-static-keep \|.*\| +- \|.*\| +0\.722x \|/);
    expect(text).toContain('| Memory above bare Node after it');
    expect(peersMarkdown([], [])).toBe('\n');
  });
});
