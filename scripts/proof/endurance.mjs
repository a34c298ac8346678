#!/usr/bin/env node
// What must hold however often it is done, against dist/ and the shipped models:
//
//   node scripts/proof/endurance.mjs [--share 1]
//
// 1,000 times load, run and dispose: memory stays flat. 350 worker threads terminated and 200 processes that exit, at
// random moments of loading and running: no crash. 12 processes killed while they write a model over another: the file is
// one of the two, whole. `--share 0.05` does a twentieth of each. Fails where one of this does not hold, and prints a line
// for each.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { createSession, readModel } from '../../dist/index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const library = JSON.stringify(join(root, 'dist/index.js'));
const models = ['household-fp32', 'household-int8-static', 'household-int8-dynamic']
  .map((name) => join(root, 'models', `${name}.safetensors`))
  .filter((file) => readdirSync(dirname(file)).some((name) => file.endsWith(name)));

const MIB = 2 ** 20;
/** Memory that may have come since the first third: what the system's allocator keeps varies by a few MiB. */
const FLAT_MIB = 12;
/** Rounds until the heap and the allocator have grown to what they need. */
const WARM_UP = 60;
/** Longest time, in milliseconds, until an end at random: loading and a few runs take less. */
const WITHIN = 120;

/** Loads, runs and disposes without end, in a worker or a process. */
const LOAD_RUN_DISPOSE = `
  const { createSession, readModel } = await import(${library});
  const files = ${JSON.stringify(models)};
  for (let i = 0; ; i++) {
    const model = await readModel(files[i % files.length]);
    const session = await createSession(model, { threads: 1 + (i % 2), consume: true });
    const input = new Float32Array(session.inputs[0].shape.slice(1).reduce((a, b) => a * b));
    await session.run(input.fill(0.25));
    await session.dispose();
  }
`;

async function loadRunDispose(times) {
  const seen = [];
  for (let i = 0; i < times + WARM_UP; i++) {
    const model = await readModel(models[i % models.length]);
    const session = await createSession(model, { threads: 1 + (i % 2), consume: true });
    const image = new Float32Array(session.inputs[0].shape.slice(1).reduce((a, b) => a * b)).fill(0.25);
    const logits = await session.run(image);
    if (!logits.every(Number.isFinite)) throw new Error(`run ${i} gave ${logits}`);
    await session.dispose();
    collectGarbage();
    if (i >= WARM_UP) seen.push(process.memoryUsage.rss());
  }
  const third = Math.floor(times / 3);
  const most = (from, to) => Math.max(...seen.slice(from, to)) / MIB;
  const [early, late] = [most(0, third), most(times - third, times)];
  const text = `${times} x load, run, dispose: ${early.toFixed(0)} MiB at most in the first third, ${late.toFixed(0)} in the last`;
  return { text, holds: late - early <= FLAT_MIB };
}

async function terminateWorkers(times) {
  let ended = 0;
  const failures = [];
  for (let i = 0; i < times; i++) {
    const worker = new Worker(`(async () => { ${LOAD_RUN_DISPOSE} })()`, { eval: true, execArgv: [] });
    worker.on('error', (error) => failures.push(error.message));
    await sleep(Math.random() * WITHIN);
    await worker.terminate();
    ended++;
  }
  return {
    text: `${ended} of ${times} workers terminated, ${failures.length} errors ${failures.slice(0, 3).join('; ')}`,
    holds: ended === times && failures.length === 0,
  };
}

function node(source) {
  return spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function exitAtRandom(times) {
  const bad = [];
  for (let i = 0; i < times; i++) {
    const child = node(
      `setTimeout(() => process.exit(7), ${(Math.random() * WITHIN).toFixed(2)}); ${LOAD_RUN_DISPOSE}`,
    );
    let printed = '';
    child.stderr.on('data', (chunk) => {
      printed += chunk;
    });
    const [code, signal] = await once(child, 'close');
    if (code !== 7 || printed !== '') bad.push(`${code ?? signal} ${printed.slice(0, 200)}`);
  }
  return {
    text: `${times} exits at random moments, ${bad.length} crashes ${bad.slice(0, 3).join('; ')}`,
    holds: bad.length === 0,
  };
}

async function killWriters(times) {
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-endurance-'));
  const file = join(folder, 'model.safetensors');
  const wholes = models.slice(0, 2).map((model) => readFileSync(model));
  const source = `
    import { readModel, writeModel } from ${library};
    const models = await Promise.all(${JSON.stringify(models.slice(0, 2))}.map((file) => readModel(file)));
    process.stdout.write('writing');
    for (let i = 0; ; i++) await writeModel(models[i % 2], ${JSON.stringify(file)});
  `;
  const bad = [];
  try {
    copyFileSync(models[0], file);
    for (let i = 0; i < times; i++) {
      const child = node(source);
      await once(child.stdout, 'data');
      await sleep(Math.random() * WITHIN);
      child.kill('SIGKILL');
      await once(child, 'close');
      const found = readFileSync(file);
      if (!wholes.some((whole) => whole.equals(found))) bad.push(`${found.length} bytes after kill ${i}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return {
    text: `${times} kills during a write, ${bad.length} half-written files ${bad.join('; ')}`,
    holds: bad.length === 0,
  };
}

const { values } = parseArgs({ options: { share: { type: 'string', default: '1' } } });
const share = Number(values.share);
if (!(share > 0 && share <= 1)) throw new Error(`--share: expected a number above 0, up to 1, got ${values.share}`);
const count = (times) => Math.max(3, Math.round(times * share));
let failed = false;
for (const [work, times] of [
  [loadRunDispose, 1000],
  [terminateWorkers, 350],
  [exitAtRandom, 200],
  [killWriters, 12],
]) {
  const { text, holds } = await work(count(times));
  console.log(`${holds ? 'holds' : 'FAILS'}: ${text.trim()}`);
  failed ||= !holds;
}
process.exitCode = failed ? 1 : 0;
