// Runs inside the Node under test, with NEONSENSE_BINARY set: workers load the addon, one after another, and the main
// thread never does. Then the system may unload it with each of them, and the process must still end well.

import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

if (isMainThread) {
  for (let i = 0; i < 2; i++) {
    const [code] = await once(new Worker(new URL(import.meta.url)), 'exit');
    if (code !== 0) throw new Error(`worker ${i + 1} ended with ${code}`);
  }
} else {
  const { Classifier } = await import(pathToFileURL(join(root, 'dist', 'index.js')).href);
  const classifier = await Classifier.load('household-int8-dynamic', { threads: 2 });
  await classifier.classify({ data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 });
  await classifier.dispose();
}
