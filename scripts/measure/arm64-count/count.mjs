#!/usr/bin/env node
// Counts the arm64 instructions of one inference, exactly, without a board: the cross-built addon runs in arm64 Node under
// qemu-user with our counting plugin (plugin.c). Two processes do FEW and MANY runs; the difference of their counts is
// what the further runs took. Only the engine's own code is split by kind; V8, libc and the kernel's part are left out.
//
//   node scripts/measure/arm64-count/count.mjs [MODEL...] [--cpu LIST] [--dense] [--fp16] [--onnxruntime FOLDER]
//            [--peers PYTHON] [--update | --check]
//
//   MODEL            model files, .onnx files for onnxruntime (default: what the table has; with --update, all of models/)
//   --cpu LIST       of cortex-a53, cortex-a72, cortex-a76, max (default: all)
//   --dense          counts our engine without its sparse kernels too, as engine neonsense-dense
//   --fp16           counts it with half-precision arithmetic too, as engine neonsense-fp16, on CPUs that have it; with
//                    --check, if the table has it so
//   --onnxruntime F  a node_modules folder with onnxruntime-node; every fp32 MODEL is also counted in it, as ONNX
//   --peers PYTHON   every fp32 MODEL is also counted in ncnn and MNN, whose files this machine's PYTHON makes (packages of
//                    scripts/measure/peers/requirements.txt); their logits are compared with ours
//   --update         writes the table counts.json: rows counted now replace those of the same engine, model and CPU
//   --check          exit code 1 when one of our counts is more than 2 % above the table's
//
// Needs dist/ (npm run build:ts) and build-arm64/neonsense.node (node scripts/build/cross/build.mjs linux-arm64), or NEONSENSE_BINARY set to an arm64 build.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lower, macsOf, networkOf, readModel, toOnnx } from '../../../dist/internal.cjs';
import { peersOf } from './peers.mjs';
import { arm64Addon, countProcess, preparePlugin, processOf } from './process.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const tableFile = join(here, 'counts.json');

const FEW = 1;
const MANY = 4;
/** Growth that fails a check: kernels and graph are deterministic, but a compiler's update may move a little. */
const TOLERANCE = 0.02;

/**
 * Multiply-accumulates of the widest NEON instruction for each type of weights: FMLA on 4 floats or 8 halves; SMLAL on
 * 8 bytes' worth of products, SDOT (dotprod) on 16, SMMLA (i8mm) on 32.
 */
const LANES = {
  'cortex-a53': { float: 4, int8: 8 },
  'cortex-a72': { float: 4, int8: 8 },
  'cortex-a76': { float: 4, half: 8, int8: 16 },
  max: { float: 4, half: 8, int8: 32 },
};

function parse(argv) {
  const options = {
    models: [],
    cpus: Object.keys(LANES),
    dense: false,
    fp16: false,
    onnxruntime: undefined,
    peers: undefined,
    update: false,
    check: false,
  };
  for (let i = 0; i < argv.length; i++) {
    if (argv[i] === '--cpu') options.cpus = (argv[++i] ?? '').split(',');
    else if (argv[i] === '--onnxruntime') options.onnxruntime = resolve(argv[++i] ?? '', 'onnxruntime-node');
    else if (argv[i] === '--peers') options.peers = argv[++i] ?? '';
    else if (argv[i] === '--dense') options.dense = true;
    else if (argv[i] === '--fp16') options.fp16 = true;
    else if (argv[i] === '--update') options.update = true;
    else if (argv[i] === '--check') options.check = true;
    else if (argv[i].startsWith('--')) throw new Error(`unknown option ${argv[i]}`);
    else options.models.push(argv[i]);
  }
  for (const cpu of options.cpus) {
    if (!Object.hasOwn(LANES, cpu))
      throw new Error(`--cpu: expected some of ${Object.keys(LANES).join(', ')}, not "${cpu}"`);
  }
  if (options.onnxruntime !== undefined && !existsSync(options.onnxruntime)) {
    throw new Error(
      `--onnxruntime: there is no ${options.onnxruntime}; run npm install --ignore-scripts onnxruntime-node there`,
    );
  }
  return options;
}

/** Instructions of one inference, by kind. Counts do not depend on time, so the two processes run side by side. */
async function countInference({ plugin, cpu, subject, folder }) {
  const [few, many] = await Promise.all(
    [FEW, MANY].map((runs) =>
      countProcess({ plugin, ...processOf(subject, cpu, runs), out: join(folder, `${runs}.jsonl`) }),
    ),
  );
  if (subject.peer !== undefined) sayDifference(subject, cpu, JSON.parse(few.stdout.trimEnd().split('\n').at(-1)));
  const each = (kind) => Math.round((many[kind] - few[kind]) / (MANY - FEW));
  const [simd, loadStore, other] = ['simd', 'loadStore', 'other'].map(each);
  return { simd, loadStore, other, total: simd + loadStore + other };
}

/** Says how far a peer's logits are from ours, so that what is counted is known to be the same network. */
function sayDifference({ engine, logits }, cpu, theirs) {
  const range = Math.max(...logits) - Math.min(...logits);
  const largest = Math.max(...logits.map((value, index) => Math.abs(value - theirs[index]))) / range;
  console.error(`${engine} on ${cpu}: logits differ from ours by ${largest.toExponential(1)} of their range`);
}

/** Multiply-accumulate instructions if each used all lanes of the widest one the CPU has. */
function roofline({ engine, plan, macs }, cpu) {
  const float = engine === 'neonsense-fp16' ? 'half' : 'float';
  return Math.round(
    plan.layers.reduce((sum, layer) => {
      if (!('weights' in layer)) return sum;
      return sum + macs.get(layer.name) / LANES[cpu][layer.weights.type === 'f32' ? float : 'int8'];
    }, 0),
  );
}

/** What to count: our engine on each model, and the peer on each float one. */
async function subjectsOf(options, table, folder) {
  const models = options.models.length > 0 ? options.models : options.update ? shippedModels() : tableModels(table);
  const subjects = [];
  for (const given of models) {
    const file = resolve(given);
    const model = relative(root, file).startsWith('..') ? basename(file) : relative(root, file);
    if (file.endsWith('.onnx')) {
      subjects.push({ engine: 'onnxruntime-node', model, file, module: options.onnxruntime });
      continue;
    }
    const read = await readModel(file);
    const plan = lower(read);
    const macs = macsOf(networkOf(read.architecture, read.preprocessing.size));
    subjects.push({ engine: 'neonsense', model, file, plan, macs });
    const isCountedInHalf = table.counts.some((row) => row.engine === 'neonsense-fp16' && row.model === model);
    if (options.fp16 && (!options.check || isCountedInHalf)) {
      subjects.push({ engine: 'neonsense-fp16', model, file, plan, macs });
    }
    if (options.dense) subjects.push({ engine: 'neonsense-dense', model, file, plan, macs });
    if (read.precision !== 'fp32') continue;
    if (options.onnxruntime !== undefined) {
      const onnx = join(folder, `${subjects.length}.onnx`);
      writeFileSync(onnx, toOnnx(read));
      subjects.push({ engine: 'onnxruntime-node', model, file: onnx, module: options.onnxruntime });
    }
    if (options.peers !== undefined) subjects.push(...(await peersOf(read, { model, maker: options.peers, folder })));
  }
  return subjects;
}

function shippedModels() {
  const folder = join(root, 'models');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .map((name) => join(folder, name));
}

function tableModels({ counts }) {
  const own = counts.filter(({ engine }) => engine === 'neonsense').map(({ model }) => join(root, model));
  return [...new Set(own)].filter((file) => existsSync(file));
}

function printTable(rows) {
  const cells = rows.map((row) => [
    row.engine,
    row.model,
    row.cpu,
    ...['total', 'simd', 'loadStore', 'other', 'roofline'].map((key) =>
      row[key] === undefined ? '-' : (row[key] / 1e6).toFixed(2),
    ),
    row.before === undefined ? '-' : `${((row.total / row.before - 1) * 100).toFixed(2)} %`,
  ]);
  const all = [
    ['engine', 'model', 'CPU', 'M instructions', 'SIMD', 'load/store', 'other', 'roofline', 'against table'],
    ...cells,
  ];
  const widths = all[0].map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const print = (line) =>
    console.log(
      `| ${line.map((cell, at) => (at < 3 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(' | ')} |`,
    );
  print(all[0]);
  console.log(
    `|${widths.map((width, at) => (at < 3 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`,
  );
  all.slice(1).forEach(print);
}

const isSame = (a, b) => a.engine === b.engine && a.model === b.model && a.cpu === b.cpu;

async function main(argv) {
  const options = parse(argv);
  arm64Addon();
  const table = existsSync(tableFile) ? JSON.parse(readFileSync(tableFile, 'utf8')) : { counts: [] };
  const plugin = preparePlugin();
  const folder = mkdtempSync(join(tmpdir(), 'arm64-count-'));
  const rows = [];
  try {
    for (const subject of await subjectsOf(options, table, folder)) {
      for (const cpu of options.cpus) {
        if (subject.engine === 'neonsense-fp16' && LANES[cpu].half === undefined) continue;
        const key = { engine: subject.engine, model: subject.model, cpu };
        const before = table.counts.find((row) => isSame(row, key))?.total;
        const bound = subject.plan === undefined ? {} : { roofline: roofline(subject, cpu) };
        rows.push({ ...key, ...(await countInference({ plugin, cpu, subject, folder })), ...bound, before });
        console.error(`counted ${subject.engine} ${subject.model} on ${cpu}: ${rows.at(-1).total}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (rows.length === 0) throw new Error('nothing to count: name a model, or make the table with --update');
  printTable(rows);

  if (options.update) {
    const fresh = rows.map(({ before, ...row }) => row);
    const kept = table.counts.filter((row) => !fresh.some((other) => isSame(row, other)));
    const order = ({ engine, model, cpu }) => `${engine} ${model} ${cpu}`;
    const counts = [...kept, ...fresh].sort((a, b) => (order(a) < order(b) ? -1 : 1));
    const lines = counts.map((row) => `    ${JSON.stringify(row)}`).join(',\n');
    const about =
      'Instructions of one inference on one thread; made by scripts/measure/arm64-count/count.mjs --update.';
    writeFileSync(tableFile, `{\n  "about": ${JSON.stringify(about)},\n  "counts": [\n${lines}\n  ]\n}\n`);
  }
  if (options.check) {
    const isOurs = ({ engine }) => engine === 'neonsense' || engine === 'neonsense-fp16';
    const grown = rows.filter((row) => isOurs(row) && row.total > row.before * (1 + TOLERANCE));
    const unknown = rows.filter((row) => isOurs(row) && row.before === undefined);
    for (const { engine, model, cpu, total, before } of grown) {
      console.error(
        `${engine} with ${model} on ${cpu} grew from ${before} to ${total} instructions: more than ${100 * TOLERANCE} %`,
      );
    }
    for (const { engine, model, cpu } of unknown) {
      console.error(`${engine} with ${model} on ${cpu} is not in the table`);
    }
    if (grown.length + unknown.length > 0) {
      console.error(
        'If that is meant, run node scripts/measure/arm64-count/count.mjs --update and commit the table with the change',
      );
      process.exitCode = 1;
    }
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`arm64-count: ${error.message}`);
  process.exitCode = 1;
});
