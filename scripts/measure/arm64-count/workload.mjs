// What is counted: loads a model and runs it some times on one thread. Started by count.mjs inside arm64 Node.
//
//   node workload.mjs neonsense|neonsense-dense MODEL RUNS
//   node workload.mjs onnxruntime-node FILE.onnx RUNS MODULE

import { createRequire } from 'node:module';

const [engine, file, runs, module] = process.argv.slice(2);
const SIDE = 224;

/** The same random pixels each time, `[1, H, W, 3]` or `[1, 3, H, W]`: the kernels do not branch on them. */
function pixels(count) {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}

if (engine !== 'onnxruntime-node') {
  const { readModel, createSession } = await import('../../../dist/index.js');
  const model = await readModel(file);
  const [height, width] = model.preprocessing.size;
  const session = await createSession(model, { threads: 1, ...(engine === 'neonsense-dense' && { sparse: false }) });
  const input = pixels(height * width * 3);
  for (let i = 0; i < Number(runs); i++) await session.run(input);
  await session.dispose();
} else {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)(module);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new Tensor('float32', pixels(3 * SIDE * SIDE), [1, 3, SIDE, SIDE]);
  for (let i = 0; i < Number(runs); i++) await session.run({ [session.inputNames[0]]: input });
}
