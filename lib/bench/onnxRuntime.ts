import { type Prepared, planes } from './trialProcess.js';
import type { TrialSpec } from './trialSpec.js';

interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** What the flavours of onnxruntime's JavaScript package have in common, as far as it is used here. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(
      model: string | Uint8Array,
      options: object,
    ): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

/**
 * Makes ready to run an ONNX file with one image input `[N, 3, H, W]` and one output of logits.
 * @param model path or content of the file
 * @param options for the session
 * @param input `[N, H, W, 3]`
 */
export async function prepareOnnx(
  { InferenceSession, Tensor }: OnnxRuntime,
  model: string | Uint8Array,
  options: object,
  spec: TrialSpec,
  input: Float32Array,
): Promise<Prepared> {
  const session = await InferenceSession.create(model, options);
  const feeds = { [session.inputNames[0]!]: new Tensor('float32', planes(input, spec), [spec.batch, 3, ...spec.size]) };
  let output: Tensor | undefined;
  return {
    run: async () => {
      output = (await session.run(feeds))[session.outputNames[0]!];
    },
    logits: () => (output === undefined ? [] : [...output.data.subarray(0, output.dims.at(-1))]),
  };
}
