#!/usr/bin/env node
// What decoding no more than is seen costs: the same photographs decoded fast and exactly, the largest differences of the
// network's input (in units of the normalized input) and logits, and how many change their label.
//
//   npm run build:ts
//   node scripts/measure/decode-cost.mjs [--photos ../shared/data/photos/test] [--model FILE]... [--megapixels 12] [--limit N]
//
// Each photograph is taken as it is, and enlarged to that many megapixels and saved as JPEG, with sides that are multiples of
// 16, as cameras have them, and with the sides that come. Prints one JSON object a line. Needs dist/ and the addon.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import {
  atLeast,
  averages,
  createSession,
  DETAIL,
  decodeImage,
  newPreprocessor,
  PRESETS,
  preprocess,
  readModel,
} from '../../dist/internal.cjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string', default: join(root, '../shared/data/photos/test') },
    model: { type: 'string', multiple: true, default: [join(root, 'models/household-fp32.safetensors')] },
    megapixels: { type: 'string', default: '12' },
    limit: { type: 'string', default: 'Infinity' },
  },
});

const photos = readdirSync(options.photos, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'other')
  .flatMap(({ name }) => readdirSync(join(options.photos, name)).map((file) => join(options.photos, name, file)));
const step = Math.max(1, photos.length / Number(options.limit));
const chosen = photos.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));

/** Enlarged to so many megapixels; sides are rounded to multiples of `multiple`. */
async function enlarged(file, multiple) {
  const { width, height } = await sharp(file).metadata();
  const scale = Math.sqrt((Number(options.megapixels) * 1e6) / (width * height));
  const side = (length) => multiple * Math.round((length * scale) / multiple);
  return sharp(file)
    .resize({ width: side(width), height: side(height), fit: 'fill', kernel: 'cubic' })
    .jpeg({ quality: 90 })
    .toBuffer();
}

const kinds = {
  'as they are': (file) => file,
  'as they are, saved as JPEG': (file) => sharp(file).jpeg({ quality: 90 }).toBuffer(),
  [`${options.megapixels} megapixels, multiples of 16`]: (file) => enlarged(file, 16),
  [`${options.megapixels} megapixels, any sides`]: (file) => enlarged(file, 1),
};

const subjects = [];
for (const file of options.model) {
  const model = await readModel(file);
  const session = await createSession(model, { threads: 1 });
  const name = relative(root, file);
  subjects.push({ name, preprocessing: model.preprocessing, session, native: newPreprocessor(model.preprocessing) });
  // What a network that is not for thumbnails sees.
  const { torchvision } = PRESETS;
  subjects.push({ name: `${name}, torchvision's preprocessing`, preprocessing: torchvision, session });
}

/** What the network gets of a picture that is decoded fast: by the engine where it reads such files, else by sharp. */
async function fastInput(file, { preprocessing, native }) {
  if (native !== undefined && averages(preprocessing)) {
    const input = new Float32Array(preprocessing.size[0] * preprocessing.size[1] * 3);
    if (native.runJpeg(file, { ...DETAIL, bytes: Infinity }, input)) return { input, by: 'engine' };
  }
  const decoded = await decodeImage(file, { atLeast: atLeast(preprocessing) });
  return { input: preprocess(decoded, preprocessing), by: 'sharp', decoded };
}

const largestDifference = (a, b) => a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), 0);
const top = (logits) => logits.indexOf(Math.max(...logits));

const about = {
  date: new Date().toISOString().slice(0, 10),
  cpu: cpus()[0]?.model,
  commit: execFileSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  sharp: sharp.versions.sharp,
};
// Pictures are decoded as files, most of which can be shrunk by more than bytes can.
const folder = mkdtempSync(join(tmpdir(), 'neonsense-decode-cost-'));
const saved = join(folder, 'picture.jpg');
for (const [kind, picture] of Object.entries(kinds)) {
  const found = subjects.map(() => ({
    shrunk: 0,
    byEngine: 0,
    input: 0,
    meanInput: 0,
    logit: 0,
    meanLogit: 0,
    changed: [],
  }));
  for (const file of chosen) {
    const made = await picture(file);
    if (typeof made !== 'string') writeFileSync(saved, made);
    const source = typeof made === 'string' ? made : saved;
    const exact = await decodeImage(source);
    for (const [i, subject] of subjects.entries()) {
      const { preprocessing, session } = subject;
      const result = found[i];
      const { input: b, by, decoded } = await fastInput(source, subject);
      if (decoded?.width === exact.width && decoded.height === exact.height) continue;
      result.shrunk++;
      if (by === 'engine') result.byEngine++;
      const a = preprocess(exact, preprocessing);
      const [x, y] = [await session.run(a), await session.run(b)];
      result.input = Math.max(result.input, largestDifference(a, b));
      result.meanInput += a.reduce((sum, value, j) => sum + Math.abs(value - b[j]), 0) / a.length;
      result.logit = Math.max(result.logit, largestDifference(x, y));
      result.meanLogit += x.reduce((sum, value, j) => sum + Math.abs(value - y[j]), 0) / x.length;
      if (top(x) === top(y)) continue;
      // How sure the exact decode was: the distance of the two logits that changed places.
      result.changed.push({ file: relative(options.photos, file), margin: Number((x[top(x)] - x[top(y)]).toFixed(4)) });
    }
  }
  for (const [i, { shrunk, byEngine, input, meanInput, logit, meanLogit, changed }] of found.entries()) {
    const mean = (sum) => (shrunk === 0 ? 0 : Number((sum / shrunk).toFixed(5)));
    console.log(
      JSON.stringify({
        ...{ model: subjects[i].name, pictures: kind, images: chosen.length, shrunk, byEngine },
        ...{ largestInput: Number(input.toFixed(4)), meanInput: mean(meanInput) },
        ...{ largestLogit: Number(logit.toFixed(4)), meanLogit: mean(meanLogit) },
        ...{ changedLabels: changed.length, changed, ...about },
      }),
    );
  }
}
rmSync(folder, { recursive: true });
for (const { session } of subjects) await session.dispose();
