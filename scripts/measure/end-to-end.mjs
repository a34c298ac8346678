#!/usr/bin/env node
// From a photo, a frame or a folder to its label: ours, and what people would write with sharp and onnxruntime-node, in
// turn in one process, with the same network and as many threads.
//
//   npm run build:ts
//   npm install --prefix FOLDER onnxruntime-node
//   node scripts/measure/end-to-end.mjs --modules FOLDER [--seconds 10] [--threads 1] [--rows photo-12mp,...] [--json]
//        [--model models/household-fp32.safetensors] [--photo FILE] [--pictures 24] [--starts 9]
//
//   --modules FOLDER   where onnxruntime-node was installed; without it ours is measured alone
//   --seconds S        for each row
//   --photo FILE       what the pictures are made of, with noise as of a sensor (default: one of examples/)
//   --pictures N       of each folder;  --starts N  processes of first-use and rss
//
// Each row has `oursMs` and `peerMs`, the medians for a picture, and `ratio` of the one to the other with the interval of
// its bootstrap. `oursCpuMs` and `peerCpuMs` are what all threads took for a picture, which says more than times on a machine
// that has other things to do. Folders have images/s, of which `ratio` is. `loopDelayMs` is the event loop's longest delay in a call of
// ours, `loopDelayWorstMs` the longest of all. `rss` is what a process takes above bare Node, in MiB. `abort` is how long a
// batch of 12-megapixel photos took to end after its signal. The load of the machine is printed beside: where it is not
// near 0 before, times are too long and only the ratios mean something.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import sharp from 'sharp';
import { bootstrapRatio, Classifier, describeEnvironment, median, readModel, toOnnx } from '../../dist/internal.cjs';
import { loadOrt, Peer } from './end-to-end/peer.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const { values: options } = parseArgs({
  options: {
    modules: { type: 'string' },
    model: { type: 'string', default: join(root, 'models/household-fp32.safetensors') },
    int8: { type: 'string', default: join(root, 'models/household-int8-static.safetensors') },
    photo: { type: 'string', default: join(root, 'examples/photo-keyboard.webp') },
    seconds: { type: 'string', default: '10' },
    threads: { type: 'string', default: '1' },
    pictures: { type: 'string', default: '24' },
    starts: { type: 'string', default: '9' },
    rows: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const threads = Number(options.threads);
const wanted = (name) => options.rows === undefined || options.rows.split(',').includes(name);
const folder = mkdtempSync(join(tmpdir(), 'neonsense-end-to-end-'));
// Neither may remember what it decoded the last time.
sharp.cache(false);
sharp.concurrency(threads);

/** The photo at another size, with a sensor's noise: a picture that was enlarged is too easy to decode. */
async function pixels(width, height, channels = 3) {
  const picture = sharp(options.photo).resize(width, height, { fit: 'cover' });
  const data = await (channels === 4 ? picture.ensureAlpha() : picture.removeAlpha()).raw().toBuffer();
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    if (channels === 4 && i % 4 === 3) continue;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = Math.max(0, Math.min(255, data[i] + (state >>> 29) - 4));
  }
  return data;
}

async function jpeg(name, width, height) {
  const file = join(folder, name);
  const raw = { width, height, channels: 3 };
  writeFileSync(
    file,
    await sharp(await pixels(width, height), { raw })
      .jpeg({ quality: 90 })
      .toBuffer(),
  );
  return file;
}

const rows = [];
const show = (row) => {
  rows.push(row);
  if (options.json) process.stdout.write(`${JSON.stringify(row)}\n`);
  else process.stdout.write(`${text(row)}\n`);
};
const round = (value) => Math.round(value * 1000) / 1000;
const text = ({ name, ...fields }) =>
  `${name.padEnd(18)} ${Object.entries(fields)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join('..') : value}`)
    .join('  ')}`;

/** Calls both in turn for as long as was asked, each time the other one first. */
async function inTurn(ours, peer, each = 1) {
  const samples = { ours: [], peer: [], oursCpu: [], peerCpu: [], delays: [], stages: [] };
  const timed = async (call, times, cpu) => {
    const [started, used] = [performance.now(), process.cpuUsage()];
    const result = await call();
    times.push((performance.now() - started) / each);
    const { user, system } = process.cpuUsage(used);
    cpu.push((user + system) / 1000 / each);
    return result;
  };
  const callOurs = async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    samples.stages.push(await timed(ours, samples.ours, samples.oursCpu));
    delay.disable();
    // It counts its own millisecond.
    samples.delays.push(Number.isFinite(delay.max) ? Math.max(0, delay.max / 1e6 - 1) : 0);
  };
  const callPeer = async () => {
    if (peer !== undefined) await timed(peer, samples.peer, samples.peerCpu);
  };
  await ours();
  await peer?.();
  const end = performance.now() + Number(options.seconds) * 1000;
  for (let i = 0; i < 5 || performance.now() < end; i++) {
    for (const call of i % 2 === 0 ? [callOurs, callPeer] : [callPeer, callOurs]) await call();
  }
  return samples;
}

const cpuOf = ({ oursCpu, peerCpu }) => ({
  oursCpuMs: round(median(oursCpu)),
  ...(peerCpu.length > 0 ? { peerCpuMs: round(median(peerCpu)) } : {}),
});

function compared(ours, peer) {
  const medians = { oursMs: round(median(ours)), ...(peer.length > 0 ? { peerMs: round(median(peer)) } : {}) };
  if (peer.length === 0) return medians;
  const { ratio, low, high } = bootstrapRatio(
    ours.map((value) => [value]),
    peer.map((value) => [value]),
  );
  return { ...medians, ratio: round(ratio), interval: [round(low), round(high)] };
}

async function measurePictures(name, ours, peer) {
  if (!wanted(name)) return;
  const samples = await inTurn(ours, peer);
  const stage = (key) => round(median(samples.stages.map(({ ms }) => ms[key])));
  show({
    name,
    ...compared(samples.ours, samples.peer),
    ...cpuOf(samples),
    ...{ decodeMs: stage('decode'), preprocessMs: stage('preprocess'), inferenceMs: stage('inference') },
    loopDelayMs: round(median(samples.delays)),
    loopDelayWorstMs: round(Math.max(...samples.delays)),
    runs: samples.ours.length,
  });
}

async function measureFolder(name, files, classifier, peer) {
  if (!wanted(name)) return;
  const atOnce = async () => {
    let next = 0;
    const work = async () => {
      while (next < files.length) await peer.photo(files[next++]);
    };
    await Promise.all(Array.from({ length: 4 }, work));
  };
  const samples = await inTurn(() => classifier.classifyBatch(files), peer && atOnce, files.length);
  const { oursMs, peerMs, ratio, interval } = compared(samples.ours, samples.peer);
  show({
    name,
    ...{ oursMs, peerMs },
    oursImagesPerSecond: round(1000 / oursMs),
    ...(peerMs === undefined
      ? {}
      : {
          peerImagesPerSecond: round(1000 / peerMs),
          ratio: round(1 / ratio),
          interval: [round(1 / interval[1]), round(1 / interval[0])],
        }),
    ...cpuOf(samples),
    loopDelayMs: round(median(samples.delays)),
    loopDelayWorstMs: round(Math.max(...samples.delays)),
    runs: samples.ours.length,
  });
}

async function startProcess(...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [join(here, 'end-to-end/firstUse.mjs'), ...args]);
  return JSON.parse(stdout);
}

async function measureStarts(onnx) {
  if (!['first-use', 'rss', 'rss-int8'].some(wanted)) return;
  const found = { bare: [], ours: [], int8: [], peer: [] };
  for (let i = 0; i < Number(options.starts); i++) {
    found.bare.push(await startProcess('bare'));
    found.ours.push(await startProcess('ours', options.model));
    found.int8.push(await startProcess('ours', options.int8));
    if (onnx !== undefined) found.peer.push(await startProcess('peer', options.modules, onnx));
  }
  const ms = (starts) => starts.map((start) => start.ms);
  if (wanted('first-use'))
    show({ name: 'first-use', ...compared(ms(found.ours), ms(found.peer)), runs: found.ours.length });
  const bare = median(found.bare.map(({ rss }) => rss));
  const above = (starts) => starts.map(({ rss }) => (rss - bare) / 2 ** 20);
  for (const [name, starts] of [
    ['rss', found.ours],
    ['rss-int8', found.int8],
  ]) {
    if (!wanted(name)) continue;
    const { oursMs: oursMiB, peerMs: peerMiB, ...rest } = compared(above(starts), above(found.peer));
    show({ name, oursMiB, ...(peerMiB === undefined ? {} : { peerMiB }), ...rest, runs: starts.length });
  }
}

async function measureAbort(classifier, file) {
  if (!wanted('abort')) return;
  const took = [];
  for (let i = 0; i < 10; i++) {
    const controller = new AbortController();
    const ended = classifier
      .classifyBatch(new Array(8).fill(file), { signal: controller.signal })
      .catch(() => undefined);
    await new Promise((done) => setTimeout(done, 5 + 15 * i));
    const started = performance.now();
    controller.abort();
    await ended;
    took.push(performance.now() - started);
  }
  show({ name: 'abort', oursMs: round(median(took)), worstMs: round(Math.max(...took)), runs: took.length });
}

/** RSS of four sessions over that of one, each above the process before. */
async function measureSessions() {
  if (!wanted('four-sessions')) return;
  const code = (count) => `
    const { Classifier, createSession, readModel } = require(${JSON.stringify(join(root, 'dist/internal.cjs'))});
    (async () => {
      const data = new Uint8Array(3 * 224 * 224), image = { data, width: 224, height: 224, channels: 3 };
      const sessions = [];
      const before = process.memoryUsage().rss;
      for (let i = 0; i < ${count}; i++) {
        const model = await readModel(${JSON.stringify(options.model)});
        sessions.push(await createSession(model, { threads: 1, consume: true }));
        await sessions[i].runImage(image);
      }
      gc(); await new Promise((done) => setTimeout(done, 200)); gc();
      console.log(process.memoryUsage().rss - before);
    })();`;
  const grown = { 1: [], 4: [] };
  for (let i = 0; i < 3; i++) {
    for (const count of [1, 4]) {
      const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '-e', code(count)]);
      grown[count].push(Number(stdout) / 2 ** 20);
    }
  }
  const [one, four] = [median(grown[1]), median(grown[4])];
  show({ name: 'four-sessions', oneMiB: round(one), fourMiB: round(four), ratio: round(four / one) });
}

try {
  const loadBefore = round(loadavg()[0]);
  const model = await readModel(options.model);
  const { preprocessing } = model;
  let peer;
  let everyCore;
  let onnx;
  let version;
  if (options.modules !== undefined) {
    const loaded = await loadOrt(options.modules);
    version = loaded.version;
    onnx = join(folder, 'model.onnx');
    writeFileSync(onnx, toOnnx(model));
    peer = await Peer.create(loaded.ort, onnx, { preprocessing, threads });
    everyCore = await Peer.create(loaded.ort, onnx, { preprocessing, threads: 1, sessions: availableParallelism() });
  }
  const { commit } = describeEnvironment();
  show({
    name: 'about',
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    threads,
    node: process.version,
    sharp: sharp.versions.sharp,
    ...(version === undefined ? {} : { onnxruntime: version }),
    ...(commit === undefined ? {} : { commit }),
    loadBefore,
  });
  const photos = {
    'photo-12mp': await jpeg('12mp.jpg', 4000, 3000),
    'photo-1280': await jpeg('1280.jpg', 1280, 960),
    'photo-640': await jpeg('640.jpg', 640, 480),
  };
  const classifier = await Classifier.load(options.model, { threads });
  for (const [name, file] of Object.entries(photos)) {
    await measurePictures(name, () => classifier.classify(file), peer && (() => peer.photo(file)));
  }
  const large = await pixels(1920, 1080, 4);
  const small = await pixels(640, 480, 4);
  const nv12 = (await pixels(1920, 1080)).subarray(0, (1920 * 1080 * 3) / 2);
  const rgba = (data, width, height) => () => classifier.classify({ data, width, height, channels: 4 });
  await measurePictures('frame-1080p-rgba', rgba(large, 1920, 1080), peer && (() => peer.rgba(large, 1920, 1080)));
  await measurePictures(
    'frame-1080p-nv12',
    () => classifier.classify({ data: nv12, width: 1920, height: 1080, format: 'nv12' }),
    peer && (() => peer.nv12(nv12, 1920, 1080)),
  );
  await measurePictures('frame-640-rgba', rgba(small, 640, 480), peer && (() => peer.rgba(small, 640, 480)));
  await measureAbort(classifier, photos['photo-12mp']);
  await classifier.dispose();

  const cores = await Classifier.load(options.model);
  const copies = (file) => new Array(Number(options.pictures)).fill(file);
  await measureFolder('dir-640', copies(photos['photo-640']), cores, everyCore);
  await measureFolder('dir-12mp', copies(photos['photo-12mp']), cores, everyCore);
  await cores.dispose();
  await measureStarts(onnx);
  await measureSessions();
  await peer?.dispose();
  await everyCore?.dispose();
  show({ name: 'load', loadAfter: round(loadavg()[0]) });
} finally {
  rmSync(folder, { recursive: true });
}
