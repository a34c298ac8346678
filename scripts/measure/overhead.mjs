#!/usr/bin/env node
// What JavaScript costs: the engine driven from C++ and through session.run, timed in turn on one thread; and what the
// first use of the package costs, each time in a process of its own, beside onnxruntime-node where it is found.
//
//   cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DNEONSENSE_BUILD_NATIVE_TESTS=ON
//   ninja -C build-bench engine_bench
//   node scripts/measure/overhead.mjs [--model FILE] [--driver build-bench/native/bench/engine_bench] [--rounds N]
//
// Needs dist/ and the addon. Prints one JSON object.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createSession, encodePlan, lower, median, readModel } from '../../dist/internal.cjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: join(root, 'models/household-fp32.safetensors') },
    driver: { type: 'string', default: join(root, 'build-bench/native/bench/engine_bench') },
    rounds: { type: 'string', default: '40' },
  },
});
const RUNS_PER_ROUND = 25;
const FIRST_USES = 15;

const folder = mkdtempSync(join(tmpdir(), 'neonsense-overhead-'));
try {
  const result = {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model,
    node: process.version,
    commit: execFileSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    model: options.model,
    overhead: existsSync(options.driver) ? await overhead() : `no ${options.driver}: see the head of this script`,
    firstUse: firstUse(),
  };
  console.log(JSON.stringify(result, null, 2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function overhead() {
  const model = await readModel(options.model);
  const planFile = join(folder, 'plan.bin');
  writeFileSync(planFile, encodePlan(lower(model)));
  const driver = spawn(options.driver, [planFile, '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: driver.stdout })[Symbol.asyncIterator]();
  const fromCpp = async (count) => {
    driver.stdin.write(`${count}\n`);
    return (await lines.next()).value.split(' ').map(Number);
  };
  const session = await createSession(model, { threads: 1 });
  const input = new Float32Array(session.inputs[0].shape.slice(1).reduce((a, b) => a * b)).fill(0.5);
  const output = new Float32Array(session.outputs[0].shape[1]);
  const fromJs = async (count) => {
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = process.hrtime.bigint();
      await session.run(input, { output });
      times.push(Number(process.hrtime.bigint() - start) / 1000);
    }
    return times;
  };

  await fromCpp(RUNS_PER_ROUND);
  await fromJs(RUNS_PER_ROUND);
  const cpp = [];
  const js = [];
  const ratios = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    const there = await fromCpp(RUNS_PER_ROUND);
    const here = await fromJs(RUNS_PER_ROUND);
    cpp.push(...there);
    js.push(...here);
    ratios.push(median(here) / median(there));
  }
  driver.stdin.end();
  await Promise.all([once(driver, 'exit'), session.dispose()]);
  return {
    runs: js.length,
    cppMedianMs: median(cpp) / 1000,
    jsMedianMs: median(js) / 1000,
    medianRatioOfRounds: median(ratios),
  };
}

/** Import, load and first inference on a ready tensor, in fresh processes that take turns; RSS above a bare process. */
function firstUse() {
  const bare = `import { readFileSync } from 'node:fs';
    const rss = () => process.memoryUsage.rss();`;
  const report = `console.log(JSON.stringify({ ms: performance.now() - start, rss: rss() }));`;
  const ours = `${bare} const start = performance.now();
    const { readModel, createSession } = await import(${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)});
    const session = await createSession(await readModel(${JSON.stringify(options.model)}), { threads: 1, consume: true });
    await session.run(new Float32Array(224 * 224 * 3)); ${report}`;
  const programs = { bare: `${bare} const start = performance.now(); ${report}`, neonsense: ours };

  const peer = findPeer();
  if (peer !== undefined) {
    const onnx = join(folder, 'model.onnx');
    execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), 'export', options.model, onnx], {
      stdio: 'ignore',
    });
    programs['onnxruntime-node'] =
      `${bare} import { createRequire } from 'node:module'; const start = performance.now();
      const ort = createRequire(import.meta.url)(${JSON.stringify(peer)});
      const session = await ort.InferenceSession.create(${JSON.stringify(onnx)}, { intraOpNumThreads: 1, interOpNumThreads: 1 });
      await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', new Float32Array(224 * 224 * 3), [1, 3, 224, 224]) });
      ${report}`;
  }
  const results = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let i = 0; i < FIRST_USES; i++) {
    for (const [name, source] of Object.entries(programs)) {
      const file = join(folder, `${name}.mjs`);
      writeFileSync(file, source);
      results[name].push(JSON.parse(execFileSync(process.execPath, [file], { encoding: 'utf8' })));
    }
  }
  const bareRss = median(results.bare.map(({ rss }) => rss));
  return Object.fromEntries(
    Object.entries(results)
      .filter(([name]) => name !== 'bare')
      .map(([name, runs]) => [
        name,
        {
          medianMs: median(runs.map(({ ms }) => ms)),
          minMs: Math.min(...runs.map(({ ms }) => ms)),
          rssAboveBareMiB: (median(runs.map(({ rss }) => rss)) - bareRss) / 2 ** 20,
        },
      ]),
  );
}

/** onnxruntime-node's entry as seen from the working directory, or undefined. */
function findPeer() {
  try {
    return execFileSync(process.execPath, ['-p', 'require.resolve("onnxruntime-node")'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}
