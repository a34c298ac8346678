// A process that comes into being for one inference: node firstUse.mjs ours MODEL | peer MODULES ONNX | bare. Prints the
// milliseconds from before the import to the first answer, and the memory of the process then.
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [, , who, first, second] = process.argv;
const SIDE = 224;
const data = new Uint8Array(3 * SIDE * SIDE).fill(128);
const started = performance.now();
if (who === 'ours') {
  const { Classifier } = await import('../../../dist/index.js');
  const classifier = await Classifier.load(first, { threads: 1 });
  await classifier.classify({ data, width: SIDE, height: SIDE, channels: 3 });
} else if (who === 'peer') {
  const require = createRequire(join(resolve(first), 'package.json'));
  const ort = require('onnxruntime-node');
  const session = await ort.InferenceSession.create(second, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new ort.Tensor('float32', Float32Array.from(data), [1, 3, SIDE, SIDE]);
  await session.run({ [session.inputNames[0]]: input });
}
const ms = performance.now() - started;
process.stdout.write(`${JSON.stringify({ ms, rss: process.memoryUsage().rss })}\n`, () => process.exit());
