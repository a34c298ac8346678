#!/usr/bin/env node
// Times an ONNX file in onnxruntime-web's WebAssembly backend inside Node, as `neonsense bench --format jsonl` does ours:
//
//   npx neonsense export models/household-fp32.safetensors fp32.onnx
//   node scripts/peers/onnxruntime-web.mjs fp32.onnx [THREADS] [RUNS]
//
// onnxruntime-web is looked for from the working directory (npm install onnxruntime-web). Prints one JSON row.

import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [file, threads = '1', runs = '250'] = process.argv.slice(2);
const WARMUP = 20;
const SIDE = 224;

if (file === undefined) {
  console.error('usage: node scripts/peers/onnxruntime-web.mjs FILE.onnx [THREADS] [RUNS]');
  process.exit(2);
}

/** Of ascending samples, interpolated. */
function quantile(sorted, fraction) {
  const position = (sorted.length - 1) * fraction;
  const below = Math.floor(position);
  const high = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (high - sorted[below]) * (position - below);
}

const bareBytes = process.memoryUsage.rss();
const start = performance.now();
const module = createRequire(join(process.cwd(), 'here.js')).resolve('onnxruntime-web');
const loaded = await import(pathToFileURL(module).href);
const ort = loaded.default ?? loaded;
ort.env.wasm.numThreads = Number(threads);
const session = await ort.InferenceSession.create(await readFile(file), { executionProviders: ['wasm'] });
const pixels = Float32Array.from({ length: 3 * SIDE * SIDE }, () => Math.random() * 4 - 2);
const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', pixels, [1, 3, SIDE, SIDE]) };
const ready = performance.now();
await session.run(feeds);
const first = performance.now();
for (let i = 0; i < WARMUP; i++) await session.run(feeds);
const samplesMs = [];
for (let i = 0; i < Number(runs); i++) {
  const before = performance.now();
  await session.run(feeds);
  samplesMs.push(performance.now() - before);
}
const sorted = [...samplesMs].sort((a, b) => a - b);
const mean = samplesMs.reduce((sum, value) => sum + value, 0) / samplesMs.length;
const squares = samplesMs.reduce((sum, value) => sum + (value - mean) ** 2, 0);
const row = {
  engine: `onnxruntime-web-${ort.env.versions.web ?? ort.env.versions.common}`,
  model: file,
  precision: 'onnx',
  threads: Number(threads),
  batch: 1,
  initMs: ready - start,
  firstMs: first - ready,
  medianMs: quantile(sorted, 0.5),
  p90Ms: quantile(sorted, 0.9),
  p99Ms: quantile(sorted, 0.99),
  minMs: sorted[0],
  stddevMs: samplesMs.length > 1 ? Math.sqrt(squares / (samplesMs.length - 1)) : 0,
  rssDeltaBytes: Math.max(0, process.resourceUsage().maxRSS * 1024 - bareBytes),
  fileBytes: (await stat(file)).size,
  samplesMs,
};
process.stdout.write(`${JSON.stringify(row)}\n`, () => process.exit(0));
