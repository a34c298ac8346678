#!/usr/bin/env node
// Writes models/manifest.json anew from the model files beside it:
//
//   node scripts/train/manifest.mjs [--data ../shared/data/photos/test]
//
//   --check     write nothing; exit with 1 where the manifest does not fit the files
//
// What the files say is read from them; accuracy is counted on the data for every file that changed (for all with
// --recount); the recorded logits of the self-test are computed here. The rules and limits are written by hand in
// manifest.json and kept. Needs dist/ and the addon; --check only dist/.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkManifest, inSinglePrecision, inspectModel, readModel, selfTestLogits } from '../../dist/internal.cjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folder = join(root, 'models');
const file = join(folder, 'manifest.json');
/** The float models come first, in this order; then by name. The self-test takes the first that is there. */
const REFERENCES = ['household-fp32', 'household-fp16'];
/** A model with more zeros than this reaches the sparse kernels, which take over above two thirds in a layer. */
const SPARSE_ABOVE = 0.6;

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, recount: { type: 'boolean' }, data: { type: 'string' } },
});
try {
  if (values.check) await check();
  else await make();
} catch (error) {
  console.error(`manifest: ${error.message}`);
  process.exitCode = 1;
}

async function check() {
  const { variants } = checkManifest(JSON.parse(readFileSync(file, 'utf8')));
  const problems = [];
  for (const variant of variants) {
    const path = join(folder, variant.file);
    if (!existsSync(path)) {
      problems.push(`${variant.file} is missing`);
      continue;
    }
    const bytes = readFileSync(path);
    if (bytes.length !== variant.bytes)
      problems.push(`${variant.file} has ${bytes.length} bytes, not ${variant.bytes}`);
    else if (sha256(bytes) !== variant.sha256) problems.push(`${variant.file} has another SHA-256`);
  }
  const listed = variants.map((variant) => variant.file);
  for (const name of modelFiles()) if (!listed.includes(name)) problems.push(`${name} is not in the manifest`);
  if (problems.length > 0) throw new Error(`${problems.join('; ')}: run node scripts/train/manifest.mjs`);
  console.log(`manifest: fits ${variants.length} models`);
}

async function make() {
  const old = JSON.parse(readFileSync(file, 'utf8'));
  const described = [];
  for (const name of modelFiles()) {
    const bytes = readFileSync(join(folder, name));
    const model = await readModel(bytes);
    const sparse = model.precision === 'fp32' && inspectModel(model).sparsity > SPARSE_ABOVE;
    described.push({
      name: name.replace(/\.safetensors$/, ''),
      file: name,
      precision: model.precision,
      ...(sparse ? { sparse } : {}),
      bytes: bytes.length,
      sha256: sha256(bytes),
    });
  }
  const known = (variant) =>
    old.variants?.find(({ sha256: hash, top1 }) => hash === variant.sha256 && top1 !== undefined);
  const unknown = described.filter((variant) => values.recount || known(variant) === undefined);
  const scores = unknown.length === 0 ? new Map() : count(unknown);
  const variants = described.map((variant) => {
    const { top1, top5 } = scores.get(variant.file) ?? known(variant);
    return { ...variant, top1: rounded(top1), top5: rounded(top5) };
  });
  const selfTest = [];
  const seen = [];
  for (const variant of REFERENCES) {
    const model = inSinglePrecision(await readModel(join(folder, `${variant}.safetensors`)));
    const logits = Array.from(await selfTestLogits(model, { threads: 1 }), (value) => Number(value.toPrecision(7)));
    selfTest.push({ variant, logits });
    seen.push(model.labels[logits.indexOf(Math.max(...logits))]);
  }
  const manifest = {
    format: 1,
    variants,
    rules: old.rules,
    measure: old.measure,
    selfTest,
  };
  checkManifest(manifest);
  const text = `${JSON.stringify(manifest, null, 2)}\n`.replace(/\[[^[\]{}]*\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim()),
  );
  writeFileSync(`${file}.part`, text);
  renameSync(`${file}.part`, file);
  console.log(`manifest: ${variants.length} models, ${scores.size} counted; the self-test's picture is a ${seen[0]}`);
  // A picture that the model takes for something else would still do, but it is meant to be recognized.
  const wrong = seen.find((label) => label !== 'clock');
  if (wrong !== undefined) throw new Error(`the self-test's clock is taken for a ${wrong}`);
}

/** Accuracy by file, as `neonsense evaluate` counts it. */
function count(variants) {
  const data = resolve(root, values.data ?? '../shared/data/photos/test');
  if (!existsSync(data)) throw new Error(`${data} is not there to count accuracy on: name it with --data`);
  const files = variants.map((variant) => join(folder, variant.file));
  const output = execFileSync(
    process.execPath,
    [join(root, 'dist', 'cli', 'main.js'), 'evaluate', ...files, '--data', data, '--threads', '1', '--json'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 2 ** 26 },
  );
  const rows = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return new Map(variants.map((variant, i) => [variant.file, { top1: rows[i].top1, top5: rows[i].top5 }]));
}

/** A share of pictures to the four digits that their number allows. */
function rounded(share) {
  return Number(share.toFixed(4));
}

function modelFiles() {
  const names = readdirSync(folder).filter((name) => name.startsWith('household-') && name.endsWith('.safetensors'));
  const first = REFERENCES.map((name) => `${name}.safetensors`).filter((name) => names.includes(name));
  return [...first, ...names.filter((name) => !first.includes(name)).sort()];
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}
