#!/usr/bin/env node
// How long the event loop stands still, in milliseconds, while a model is read and while many calls end with one signal:
// node scripts/measure/event-loop.mjs
// The time between two turns of the loop says it. Each case runs nine times; the median of the
// longest waits is printed, and the least and the largest: on a busy machine the least says most.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createSession, readModel } from '../../dist/index.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const file = join(root, 'models/household-fp32.safetensors');
const ROUNDS = 9;

/** The longest time, in milliseconds, between two turns of the loop while `work` is under way. */
async function longestWait(work) {
  let last = performance.now();
  let longest = 0;
  let isWorking = true;
  const turn = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (isWorking) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isWorking = false;
  return Math.max(longest, performance.now() - last);
}

async function report(name, work) {
  const waits = [];
  for (let i = 0; i < ROUNDS; i++) waits.push(await longestWait(work));
  waits.sort((a, b) => a - b);
  const [least, median, most] = [0, (ROUNDS - 1) / 2, ROUNDS - 1].map((at) => waits[at].toFixed(1));
  console.log(`${name}: ${median} ms (${least} to ${most})`);
}

const bytes = readFileSync(file);
await report(`readModel of a path, ${(bytes.length / 1e6).toFixed(1)} MB`, () => readModel(file));
await report('readModel of bytes', () => readModel(bytes));
await report('createSession', async () => {
  const session = await createSession(await readModel(file), { consume: true });
  await session.dispose();
});
const session = await createSession(await readModel(file));
const image = new Float32Array(224 * 224 * 3);
await report('1,000 calls that one signal ends', async () => {
  const controller = new AbortController();
  const calls = Array.from({ length: 1000 }, () => session.run(image, { signal: controller.signal }));
  const settled = Promise.allSettled(calls);
  await new Promise((resolve) => setTimeout(resolve, 10));
  controller.abort();
  await settled;
});
const aborted = AbortSignal.abort();
await report('1,000 calls with a signal that has fired', () =>
  Promise.allSettled(Array.from({ length: 1000 }, () => session.run(image, { signal: aborted }))),
);
await session.dispose();
