// Runs inside the Node under test:  node smoke.mjs PIXELS WIDTH HEIGHT LABEL, with NEONSENSE_BINARY set.
// Every shipped model must give the picture that label, on the main thread and in a worker, and the same answer twice.
// Raw pixels, because sharp is not there for every platform. Prints one line of JSON.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

async function classifyAll([pixels, width, height, label]) {
  const { Classifier } = await import(pathToFileURL(join(root, 'dist', 'index.js')).href);
  const picture = {
    data: new Uint8Array(readFileSync(pixels)),
    width: Number(width),
    height: Number(height),
    channels: 3,
  };
  const results = {};
  for (const model of readdirSync(join(root, 'models')).filter((name) => /^household-.*\.safetensors$/.test(name))) {
    const classifier = await Classifier.load(join(root, 'models', model), { threads: 2 });
    const first = (await classifier.classify(picture, { topK: 1 })).predictions[0];
    const second = (await classifier.classify(picture, { topK: 1 })).predictions[0];
    await classifier.dispose();
    if (first.label !== label) throw new Error(`${model}: expected ${label}, got ${first.label}`);
    if (first.probability !== second.probability)
      throw new Error(`${model}: ${first.probability}, then ${second.probability} for the same picture`);
    results[model.replace('.safetensors', '')] = first.probability;
  }
  if (Object.keys(results).length === 0) throw new Error('models/ has no model');
  return results;
}

if (isMainThread) {
  const args = process.argv.slice(2);
  const results = await classifyAll(args);
  const inWorker = await new Promise((done, failed) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: args });
    worker.once('message', done);
    worker.once('error', failed);
  });
  if (JSON.stringify(results) !== JSON.stringify(inWorker)) {
    throw new Error(`a worker thread got ${JSON.stringify(inWorker)} instead of ${JSON.stringify(results)}`);
  }
  const { glibcVersionRuntime: glibc } = process.report.getReport().header;
  console.log(
    JSON.stringify({ node: process.versions.node, platform: process.platform, arch: process.arch, glibc, results }),
  );
} else {
  parentPort.postMessage(await classifyAll(workerData));
}
