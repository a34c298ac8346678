#!/usr/bin/env node
// Measures our engine and the peers people would otherwise use in one session: same weights, same input, same number of
// threads, each trial in a process of its own, all taking turns. Peers that are not installed are named with what
// installs them, and left out.
//
//   npm run build:ts
//   node scripts/measure/peers/all.mjs [--threads 1,2] [--runs 250] [--warmup 20] [--trials 10] [--first-uses 15] [--cooldown S]
//        [--models FOLDER] [--float FILE] [--modules FOLDER] [--python PYTHON]
//        [--calibrate TRAIN.bin] [--accuracy TEST.bin] [--out FOLDER]
//
//   --models FOLDER      our models; pruned float ones are measured with the engine's sparse kernels too
//   --float FILE         the float32 model whose weights the peers get (default: household-fp32.safetensors in it)
//   --modules FOLDER     where `npm install` put onnxruntime-node, onnxruntime-web and tfjs (default: here)
//   --python PYTHON      a Python with the packages of requirements.txt beside this file: ncnn, MNN, LiteRT, PyTorch, and
//                        onnxruntime's tools for its own INT8 models
//   --calibrate FILE     raw uint8 pictures for onnxruntime's static quantization; labels are not needed
//   --accuracy FILE      raw pictures with FILE_labels.bin beside them: top-1 of every engine and precision
//   --out FOLDER         also write peers.md and peers.jsonl there
//
// Prints Markdown. The programs are TypeScript, so they are compiled first; what they use of lib/ is dist/internal.cjs.
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const outdir = join(root, 'build-peers');
await build({
  entryPoints: ['session', 'onnxruntimeWeb', 'tfjsWasm'].map((name) => join(here, `${name}.ts`)),
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  plugins: [{ name: 'internal', setup: ({ onResolve }) => onResolve({ filter: /\/internal\.js$/ }, internal) }],
  logLevel: 'warning',
});
function internal() {
  return { path: relative(outdir, join(root, 'dist/internal.cjs')), external: true };
}

const { main } = await import(pathToFileURL(join(outdir, 'session.mjs')).href);
await main(process.argv.slice(2));
