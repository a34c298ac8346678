#!/usr/bin/env node
// How good classes learnt from photographs are: `learn` on so many photographs a class of one folder, judged on another
// folder, of other sources. Each row says what it names right there, what the nearest class mean would, what it rejects,
// and how long learning took.
//
//   npm run build:ts
//   node scripts/measure/learn.mjs [--photos ../shared/data/photos] [--counts 5,20,100,all] [--other] [--base FILE]
//                                  [--features FOLDER]
//
// `--other` lets the folder `other` take part. `--features` writes feature vectors for learn_sklearn.py, which fits
// scikit-learn's LogisticRegression to the same. Prints one JSON object a line. Needs dist/ and the addon.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { learn } from '../../dist/entries/learn.cjs';
import { Classifier, createSession, decodeImage, preprocess, readModel } from '../../dist/internal.cjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string', default: join(root, '../shared/data/photos') },
    counts: { type: 'string', default: '5,20,100,all' },
    other: { type: 'boolean', default: false },
    base: { type: 'string', default: join(root, 'models/features-imagenet.safetensors') },
    features: { type: 'string' },
  },
});
const OTHER = 'other';

/** The photographs of a folder of class folders, with their classes. */
function photosOf(folder) {
  return readdirSync(folder).flatMap((label) =>
    readdirSync(join(folder, label)).map((name) => ({ label, file: join(folder, label, name) })),
  );
}

/** The training photographs, without `other` unless it takes part, as a folder of links. */
function trainingFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-learn-'));
  for (const { label, file } of photosOf(join(options.photos, 'train'))) {
    if (label === OTHER && !options.other) continue;
    mkdirSync(join(folder, label), { recursive: true });
    symlinkSync(resolve(file), join(folder, label, file.split('/').at(-1)));
  }
  return folder;
}

/** The features of photographs as the network gives them. */
async function featuresOf(base, photos) {
  const session = await createSession(base, { threads: 1, outputs: ['pool'] });
  const vectors = [];
  for (const { file } of photos) {
    vectors.push(await session.run(preprocess(await decodeImage(file), base.preprocessing)));
  }
  await session.dispose();
  return vectors;
}

const share = (items, holds) => items.filter(holds).length / items.length;
const round = (value) => (value === undefined ? undefined : Math.round(value * 1000) / 1000);

/** Share of the photographs named right, and the mean of the classes' shares. */
function accuracy(answers) {
  const labels = [...new Set(answers.map(({ label }) => label))];
  const right = ({ label, answer }) => label === answer;
  const ofClass = labels.map((label) =>
    share(
      answers.filter((one) => one.label === label),
      right,
    ),
  );
  return { right: round(share(answers, right)), mean: round(ofClass.reduce((a, b) => a + b, 0) / labels.length) };
}

/** Share of other things rejected where the threshold is such that 5 % of the classes' photographs are. */
function rejectedAtLoss(ours, others, lost = 0.05) {
  const scores = ours.map(({ strangeness }) => strangeness).sort((a, b) => b - a);
  const threshold = scores[Math.floor(lost * scores.length)];
  return share(others, ({ strangeness }) => strangeness > threshold);
}

function nearest({ labels, samples: { features, width, labels: classOf } }, vectors) {
  const means = labels.map(() => new Float64Array(width));
  const counts = labels.map(() => 0);
  classOf.forEach((label, photo) => {
    counts[label]++;
    for (let i = 0; i < width; i++) means[label][i] += features[photo * width + i];
  });
  return vectors.map((vector) => {
    const distances = means.map((mean, label) =>
      labels[label] === OTHER ? Infinity : vector.reduce((sum, x, i) => sum + (x - mean[i] / counts[label]) ** 2, 0),
    );
    return labels[distances.indexOf(Math.min(...distances))];
  });
}

/** Numbers of a run for learn_sklearn.py: two flat files and what they are. */
function writeFeatures(name, { labels, samples }, { method }, test, vectors) {
  mkdirSync(options.features, { recursive: true });
  const { features, width, labels: classOf } = samples;
  const file = (part) => join(options.features, `${name}-${part}.f32`);
  writeFileSync(file('train'), Buffer.from(features.buffer, features.byteOffset, features.byteLength));
  writeFileSync(file('test'), Buffer.concat(vectors.map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))));
  const facts = { labels, width, train: [...classOf], test: test.map(({ label }) => label), method };
  writeFileSync(join(options.features, `${name}.json`), JSON.stringify(facts));
}

const base = await readModel(options.base);
const test = photosOf(join(options.photos, 'test'));
const vectors = await featuresOf(base, test);
const folder = trainingFolder();
try {
  for (const count of options.counts.split(',')) {
    const limit = count === 'all' ? undefined : Number(count);
    const started = performance.now();
    const { model, report, remembered } = await learn(folder, { base, limit });
    const seconds = (performance.now() - started) / 1000;
    const classifier = await Classifier.load(model, { decode: 'exact' });
    const files = test.map(({ file }) => file);
    const results = await classifier.classifyBatch(files, { topK: 1, probabilities: true });
    await classifier.dispose();
    const answers = results.map(({ predictions: [first], rejected, probabilities }, i) => {
      const none = report.labels.indexOf(OTHER);
      const strangeness = none < 0 ? -first.probability : Math.log(probabilities[none] / probabilities[first.index]);
      return { label: test[i].label, answer: first.label, rejected, strangeness };
    });
    const ours = answers.filter(({ label }) => label !== OTHER);
    const others = answers.filter(({ label }) => label === OTHER);
    const means = nearest(remembered, vectors).map((answer, i) => ({ label: test[i].label, answer }));
    const photos = report.photos.reduce((a, b) => a + b, 0);
    console.log(
      JSON.stringify({
        count,
        other: options.other,
        photos,
        seconds: round(seconds),
        load: loadavg().map((value) => Math.round(value * 10) / 10),
        method: report.method,
        crossValidated: round(report.accuracy),
        test: accuracy(ours),
        nearestMean: accuracy(means.filter(({ label }) => label !== OTHER)),
        lost: round(share(ours, ({ rejected }) => rejected)),
        rejected: round(share(others, ({ rejected }) => rejected)),
        rejectedAt5PercentLost: round(rejectedAtLoss(ours, others)),
      }),
    );
    if (options.features !== undefined) {
      writeFeatures(`${count}${options.other ? '-other' : ''}`, remembered, report, test, vectors);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
