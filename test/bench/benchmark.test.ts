import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchmark } from '../../lib/bench/benchmark.js';
import type { Environment } from '../../lib/bench/environment.js';
import { shortNames } from '../../lib/bench/names.js';
import { type BenchFormat, formatRows } from '../../lib/bench/output.js';
import type { RunTrial } from '../../lib/bench/runTrial.js';
import type { Subject } from '../../lib/bench/subjects.js';
import type { TrialSpec } from '../../lib/bench/trialSpec.js';
import { NeonsenseError } from '../../lib/errors.js';
import { seededRandom } from '../../lib/numbers/random.js';
import fc from '../fastCheck.js';

const environment: Environment = {
  date: '2026-01-02T03:04:05.000Z',
  cpu: 'Some, "quoted" CPU',
  features: ['neon', 'dotprod'],
  cores: 4,
  governor: null,
  temperature: null,
  platform: 'linux-arm64',
  kernel: '6.1',
  node: 'v20.0.0',
  version: '0.1.0',
  commit: null,
  xnnpack: null,
};

function subject(model: string, precision: string, engine: Subject['engine'] = 'neonsense'): Subject {
  const size = [224, 224] as const;
  return {
    engine,
    model,
    precision,
    file: `/home/someone/${model}`,
    fileBytes: 1000,
    fp16: false,
    sparse: false,
    size,
  };
}

/** A machine where int8 takes half the time of fp32, a peer 1.5 times, and every trial 100 MB above Node's 40. */
function fakeMachine(noise = 0.02) {
  const specs: TrialSpec[] = [];
  const random = seededRandom(3);
  const run: RunTrial = (spec) => {
    specs.push(spec);
    const nothing = { initMs: 0, firstMs: 0, samplesMs: [], logits: [] };
    if (spec.engine === 'bare') return Promise.resolve({ ...nothing, peakRssBytes: 40e6 });
    const base = spec.engine === 'onnxruntime-node' ? 3 : spec.file.includes('int8') ? 1 : 2;
    const off = 1 + noise * (random() - 0.5);
    return Promise.resolve({
      initMs: 30 + specs.length,
      firstMs: 5,
      samplesMs: Array.from({ length: spec.runs }, () => base * off * (1 + 0.02 * random())),
      peakRssBytes: 140e6,
      logits: spec.engine === 'neonsense' ? [0, 4, 2] : [0, 4.5, 2],
    });
  };
  return { specs, run };
}

const counts = { threads: [1], batches: [1], runs: 100, warmup: 2, trials: 5 };

describe('benchmark', () => {
  it('gives each combination a row with what its trials measured', async () => {
    const { run } = fakeMachine();
    const { rows, complete } = await benchmark([subject('a', 'fp32'), subject('a-int8', 'int8-dynamic')], environment, {
      ...counts,
      threads: [1, 2],
      batches: [1, 8],
      runTrial: run,
    });
    expect(complete).toBe(true);
    expect(rows).toHaveLength(8);
    expect(new Set(rows.map(({ precision, threads, batch }) => `${precision} ${threads} ${batch}`)).size).toBe(8);
    const [first] = rows;
    expect(first!.samplesMs).toHaveLength(100);
    expect(first!.rssDeltaBytes).toBe(100e6);
    expect(first!.medianMs).toBeGreaterThan(1.9);
    const batched = rows.find(({ batch }) => batch === 8)!;
    expect(batched.imagesPerSecond).toBeCloseTo(8000 / batched.medianMs, 6);
  });

  it('interleaves the combinations and reverses every other round', async () => {
    const { specs, run } = fakeMachine();
    await benchmark([subject('a', 'fp32'), subject('b', 'fp32')], environment, { ...counts, trials: 3, runTrial: run });
    const names = specs.map(({ file }) => basename(file));
    expect(names).toEqual(['', 'a', 'b', '', 'b', 'a', '', 'a', 'b']);
  });

  it('spreads the runs exactly, with no more trials than runs', async () => {
    const { run } = fakeMachine();
    const many = await benchmark([subject('a', 'fp32')], environment, { ...counts, runs: 7, trials: 3, runTrial: run });
    expect(many.rows[0]).toMatchObject({ trials: 3 });
    expect(many.rows[0]!.samplesMs).toHaveLength(7);
    const few = await benchmark([subject('a', 'fp32')], environment, { ...counts, runs: 2, trials: 5, runTrial: run });
    expect(few.rows[0]).toMatchObject({ trials: 2 });
  });

  it('says which differences are significant and which the machine is too noisy for', async () => {
    const subjects = [subject('a', 'fp32'), subject('a-int8', 'int8-dynamic'), subject('b', 'fp32')];
    const quiet = await benchmark(subjects, environment, { ...counts, runTrial: fakeMachine().run });
    expect(quiet.rows[0]!.comparison).toBeUndefined();
    expect(quiet.rows[1]!.comparison).toMatchObject({ significant: true, model: 'a' });
    expect(quiet.rows[1]!.comparison!.ratio).toBeCloseTo(0.5, 1);
    // The third is as fast as the first, and says so within a narrow interval: no reason to warn.
    expect(quiet.rows[2]!.comparison!.significant).toBe(false);
    expect(quiet.warnings).toEqual([]);
    const noisy = await benchmark(subjects, environment, { ...counts, runTrial: fakeMachine(1.2).run });
    expect(noisy.warnings.some((warning) => warning.startsWith('Noisy: '))).toBe(true);
    expect(noisy.warnings.some((warning) => /tell neonsense b fp32.*from neonsense a fp32/.test(warning))).toBe(true);
  });

  it("compares a peer's logits with ours on the same weights", async () => {
    const subjects = [subject('a', 'fp32'), subject('a', 'fp32', 'onnxruntime-node')];
    const { rows } = await benchmark(subjects, environment, { ...counts, runTrial: fakeMachine().run });
    expect(rows[1]!.logitsDifference).toEqual({ maxAbs: 0.5, range: 4, sameTop1: true });
    expect(rows[0]!.logitsDifference).toBeUndefined();
  });

  it('gives back what it has when interrupted', async () => {
    const { run } = fakeMachine();
    const abort = new AbortController();
    let trials = 0;
    const { rows, complete } = await benchmark([subject('a', 'fp32'), subject('b', 'fp32')], environment, {
      ...counts,
      signal: abort.signal,
      runTrial: (spec) => {
        trials++;
        if (trials < 5) return run(spec);
        abort.abort();
        return Promise.reject(new NeonsenseError('ERR_ABORTED', 'aborted'));
      },
    });
    expect(complete).toBe(false);
    expect(rows.map(({ model, trials: count }) => [model, count])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  it('gives back what it has when interrupted while it lets the machine cool down', async () => {
    const { specs, run } = fakeMachine();
    const abort = new AbortController();
    const { rows, complete } = await benchmark([subject('a', 'fp32'), subject('b', 'fp32')], environment, {
      ...counts,
      cooldown: 0.001,
      signal: abort.signal,
      runTrial: async (spec) => {
        const result = await run(spec);
        // Fires before the rest that the third trial would start with.
        if (specs.length === 2) abort.abort();
        return result;
      },
    });
    expect({ complete, measured: rows.map(({ model }) => model) }).toEqual({ complete: false, measured: ['a'] });
    expect(specs).toHaveLength(2);
  });

  it("runs a subject's trials its own way where it has one, in the same rounds", async () => {
    const { specs, run } = fakeMachine();
    const order: string[] = [];
    const peer: Subject = {
      ...subject('a', 'eager', 'pytorch'),
      run: (spec) => {
        order.push(`${spec.engine} after ${specs.length}`);
        return run(spec);
      },
    };
    const options = { ...counts, trials: 2, runTrial: run };
    const { rows } = await benchmark([subject('a', 'fp32'), peer], environment, options);
    expect(order).toEqual(['pytorch after 2', 'pytorch after 4']);
    expect(rows[1]).toMatchObject({ engine: 'pytorch', trials: 2, logitsDifference: { sameTop1: true } });
  });

  it('leaves out a combination that fails, tries it once only, and says why', async () => {
    const { specs, run } = fakeMachine();
    let tried = 0;
    const { rows, failures } = await benchmark([subject('a', 'fp32'), subject('b', 'fp16')], environment, {
      ...counts,
      runTrial: (spec) => {
        if (!spec.file.endsWith('/b')) return run(spec);
        tried++;
        return Promise.reject(new NeonsenseError('ERR_NATIVE', 'no fp16 here'));
      },
    });
    expect(rows.map(({ model }) => model)).toEqual(['a']);
    expect(failures).toEqual(['neonsense b fp16: no fp16 here']);
    expect(tried).toBe(1);
    expect(specs.filter(({ file }) => file.endsWith('/a'))).toHaveLength(5);
  });

  it('passes on what makes every trial fail', async () => {
    const { run } = fakeMachine();
    const refusal = new NeonsenseError('ERR_NATIVE', 'no such kernel');
    const failing: RunTrial = (spec) => (spec.engine === 'bare' ? run(spec) : Promise.reject(refusal));
    const all = benchmark([subject('a', 'fp32')], environment, { ...counts, runTrial: failing });
    await expect(all).rejects.toMatchObject({ code: 'ERR_NATIVE', message: 'neonsense a fp32: no such kernel' });
  });

  it('warns of more threads than cores and of a governor that saves power', async () => {
    const saving = { ...environment, governor: 'powersave' };
    const options = { ...counts, threads: [8], runTrial: fakeMachine().run };
    const { warnings } = await benchmark([subject('a', 'fp32')], saving, options);
    expect(warnings.join('\n')).toMatch(/powersave[^]*8 threads share 4 cores/);
  });
});

describe('output', () => {
  async function formatted(format: BenchFormat): Promise<string> {
    const subjects = [subject('a|b.safetensors', 'fp32'), subject('int8.safetensors', 'int8-dynamic')];
    const result = await benchmark(subjects, environment, { ...counts, runTrial: fakeMachine().run });
    return formatRows(format, result, environment);
  }
  const fields = [
    'engine',
    'model',
    'precision',
    'threads',
    'batch',
    'initMs',
    'firstMs',
    'medianMs',
    'p90Ms',
    'p99Ms',
    'minMs',
    'stddevMs',
    'rssDeltaBytes',
    'fileBytes',
    'samplesMs',
  ];

  it('starts each row of json and jsonl with the documented fields and ends it with the machine', async () => {
    const json = JSON.parse(await formatted('json')) as Record<string, unknown>[];
    const jsonl = (await formatted('jsonl')).trimEnd().split('\n');
    const lines = jsonl.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(2);
    for (const row of [...json, ...lines]) {
      expect(Object.keys(row).slice(0, fields.length)).toEqual(fields);
      const others = Object.keys(row)
        .slice(fields.length)
        .filter((key) => key !== 'comparison');
      expect(others).toEqual(['imagesPerSecond', 'trials', 'environment']);
      expect(row['environment']).toEqual(environment);
    }
  });

  it('quotes csv cells so that each line has as many as the header', async () => {
    const [header, ...lines] = (await formatted('csv')).trimEnd().split('\n');
    // Quoted cells hold the only commas that are no separators.
    const cells = (line: string): number => line.replaceAll(/"([^"]|"")*"/g, 'quoted').split(',').length;
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(cells(line)).toBe(cells(header!));
    expect(lines[0]).toContain('"Some, ""quoted"" CPU"');
  });

  it('says nothing of where files lie on this machine', async () => {
    for (const format of ['md', 'csv', 'json', 'jsonl'] as const) {
      expect(await formatted(format)).not.toMatch(/someone|\/home/);
    }
  });

  it('prints a table whose lines are of one width, with pipes escaped', async () => {
    const table = (await formatted('md')).split('\n').filter((line) => line.startsWith('|'));
    expect(table).toHaveLength(4);
    expect(new Set(table.map((line) => line.length)).size).toBe(1);
    expect(table[2]).toContain('| a\\|b.safetensors |');
    expect(table[3]).toMatch(/0\.50x \|$/);
  });

  it('names files by as much of their path as tells them apart, never from the root on', () => {
    const files = ['/a/x/m.pth', '/a/y/m.pth', '/b/x/m.pth', '/a/y/n.pth', '/a/y/n.pth', '/m.pth', 'o.pth'];
    expect(files.map(shortNames(files))).toEqual([
      'a/x/m.pth',
      'y/m.pth',
      'b/x/m.pth',
      'n.pth',
      'n.pth',
      'm.pth',
      'o.pth',
    ]);
  });

  it('gives different files different names, whatever folders they lie in', () => {
    const folder = fc.array(fc.constantFrom('a', 'b', 'models'), { maxLength: 3 });
    fc.assert(
      fc.property(fc.uniqueArray(folder.map((parts) => `/${[...parts, 'm.pth'].join('/')}`)), (files) => {
        const names = files.map(shortNames(files));
        expect(new Set(names).size).toBe(files.length);
        for (const name of names) expect(name).toMatch(/^[^/]/);
      }),
    );
  });
});
