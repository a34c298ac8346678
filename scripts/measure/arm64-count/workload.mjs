// What is counted: loads a model and runs it some times on one thread. Started by count.mjs inside arm64 Node.
//
//   node workload.mjs neonsense|neonsense-dense|neonsense-fp16 MODEL RUNS
//   node workload.mjs onnxruntime-node FILE.onnx RUNS MODULE

import { createRequire } from 'node:module';
import { createSession, readModel, trialInput } from '../../../dist/internal.cjs';

const [engine, file, runs, module] = process.argv.slice(2);
const SIZE = [224, 224];

if (engine !== 'onnxruntime-node') {
  const model = await readModel(file);
  const session = await createSession(model, {
    threads: 1,
    ...(engine === 'neonsense-dense' && { sparse: false }),
    ...(engine === 'neonsense-fp16' && { fp16: true }),
  });
  const input = trialInput({ batch: 1, size: model.preprocessing.size });
  for (let i = 0; i < Number(runs); i++) await session.run(input);
  await session.dispose();
} else {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)(module);
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new Tensor('float32', trialInput({ batch: 1, size: SIZE }), [1, 3, ...SIZE]);
  for (let i = 0; i < Number(runs); i++) await session.run({ [session.inputNames[0]]: input });
}
