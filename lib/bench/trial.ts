/**
 * One trial, in a process of its own so that nothing an earlier one loaded, cached or left running counts. Started by
 * runTrial.ts with a TrialSpec as its argument; nothing may be imported up here that an engine would import anyway.
 */
import { createRequire } from 'node:module';
import { type OnnxRuntime, prepareOnnx } from './onnxRuntime.js';
import { type Prepare, type Prepared, runAsTrial } from './trialProcess.js';

const prepareOwn: Prepare = async (spec, input): Promise<Prepared> => {
  // The whole package, as its users import it.
  const { readModel, createSession } = await import('../index.js');
  const model = await readModel(spec.file);
  const { classes } = model.architecture;
  const { threads, fp16, sparse, profile } = spec;
  // The model is of no further use: `Classifier.load` does the same.
  const session = await createSession(model, { threads, fp16, sparse, profile, consume: true });
  let output: Float32Array = new Float32Array();
  return {
    run: async () => {
      output = await session.run(input);
    },
    logits: () => [...output.subarray(0, classes)],
    profile: () => session.profile(),
  };
};

const prepareOnnxRuntime: Prepare = (spec, input) => {
  const runtime = createRequire(import.meta.url)(spec.module!) as OnnxRuntime;
  const options = { intraOpNumThreads: spec.threads, interOpNumThreads: 1, executionMode: 'sequential' };
  return prepareOnnx(runtime, spec.file, options, spec, input);
};

runAsTrial((spec, input) => {
  if (spec.engine === 'neonsense') return prepareOwn(spec, input);
  if (spec.engine === 'onnxruntime-node') return prepareOnnxRuntime(spec, input);
  throw new Error(`Expected neonsense or onnxruntime-node as engine but received ${spec.engine}`);
});
