/**
 * A trial of TensorFlow.js with its WebAssembly backend in Node; `module` of the spec is tfjs-backend-wasm's file. There
 * is no converter from PyTorch or ONNX, so the network is built from our plan with tfjs's own fused operators, as its
 * graph converter would from a Keras model. Reading our file is part of its init time.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { lower, type PlanLayer, readModel, runAsTrial, type WeightedLayer } from '../../../lib/internal.js';

/** As much of tfjs-core as is used. */
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
type Padding = [[0, 0], [number, number], [number, number], [0, 0]];
interface Convolution {
  readonly x: Tensor;
  readonly filter: Tensor;
  readonly strides: readonly [number, number];
  readonly pad: Padding;
  readonly bias: Tensor;
  readonly activation: 'relu' | 'linear';
}
interface Tfjs {
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, shape: readonly number[]): Tensor;
  scalar(value: number): Tensor;
  tidy<T>(work: () => T): T;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  mean(x: Tensor, axes: readonly number[], keepDims: boolean): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  relu6(x: Tensor): Tensor;
  clipByValue(x: Tensor, min: number, max: number): Tensor;
  readonly fused: {
    conv2d(options: Convolution): Tensor;
    depthwiseConv2d(options: Convolution): Tensor;
    matMul(options: { a: Tensor; b: Tensor; bias: Tensor; activation: 'relu' | 'linear' }): Tensor;
  };
}
interface WasmBackend {
  setWasmPaths(folder: string): void;
}

type Operator = (tensors: readonly Tensor[]) => Tensor;

/** Weights in tfjs's order: `[KH, KW, I, O]`, `[KH, KW, C, 1]` for depthwise, `[I, O]` for matMul. */
function filterOf(tf: Tfjs, { op, kernel: [height, width], weights, name }: WeightedLayer, outputs: number): Tensor {
  if (weights.type !== 'f32') throw new Error(`${name} is quantized: give tfjs a float32 model`);
  const { data, factors } = weights;
  const each = data.length / outputs;
  const turned = new Float32Array(data.length);
  for (let output = 0; output < outputs; output++) {
    for (let at = 0; at < each; at++) {
      turned[at * outputs + output] = data[output * each + at]! * (factors?.[output] ?? 1);
    }
  }
  const taps = height * width;
  if (op === 'linear') return tf.tensor(turned, [each, outputs]);
  return tf.tensor(turned, op === 'conv2d' ? [height, width, each / taps, outputs] : [height, width, outputs, 1]);
}

function weightedOperator(tf: Tfjs, layer: WeightedLayer, outputs: number): Operator {
  const filter = filterOf(tf, layer, outputs);
  if (!(layer.bias instanceof Float32Array)) throw new Error(`${layer.name} has an integer bias`);
  const bias = tf.tensor(layer.bias, [outputs]);
  const [top, right, bottom, left] = layer.padding;
  const { stride: strides, min, max, op, inputs } = layer;
  const activation = min === 0 && max === Infinity ? 'relu' : 'linear';
  const clamp = (x: Tensor): Tensor => (max === Infinity ? x : tf.clipByValue(x, min, max));
  if (op === 'linear') {
    return (tensors) => {
      const a = tf.reshape(tensors[inputs[0]!]!, [-1, layer.weights.data.length / outputs]);
      return clamp(tf.fused.matMul({ a, b: filter, bias, activation }));
    };
  }
  const convolve = op === 'conv2d' ? tf.fused.conv2d : tf.fused.depthwiseConv2d;
  const pad: Padding = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return (tensors) => clamp(convolve({ x: tensors[inputs[0]!]!, filter, strides, pad, bias, activation }));
}

function operatorOf(tf: Tfjs, layer: PlanLayer, outputs: number): Operator {
  if ('weights' in layer) return weightedOperator(tf, layer, outputs);
  const [first = 0, second = 0] = layer.inputs;
  const three = tf.scalar(3);
  const sixth = tf.scalar(1 / 6);
  switch (layer.op) {
    case 'global-average-pool':
      return (tensors) => tf.mean(tensors[first]!, [1, 2], true);
    case 'hard-swish':
      return (tensors) => tf.mul(tensors[first]!, tf.mul(tf.relu6(tf.add(tensors[first]!, three)), sixth));
    case 'multiply':
      return (tensors) => tf.mul(tensors[first]!, tensors[second]!);
    case 'add':
      return (tensors) => tf.add(tensors[first]!, tensors[second]!);
    case 'convert':
      throw new Error(`${layer.name} is quantized: give tfjs a float32 model`);
  }
}

runAsTrial(async (spec, input) => {
  if (spec.threads > 1) throw new Error('its WebAssembly backend has no threads in Node');
  const require = createRequire(spec.module!);
  const tf = require('@tensorflow/tfjs-core') as Tfjs;
  (require(spec.module!) as WasmBackend).setWasmPaths(`${dirname(spec.module!)}/`);
  if (!(await tf.setBackend('wasm'))) throw new Error(`its backend does not start from ${join(spec.module!, '..')}`);
  const plan = lower(await readModel(spec.file), { consume: true });
  const operators = plan.layers.map((layer) => {
    return { output: layer.output, apply: operatorOf(tf, layer, plan.values[layer.output]!.shape[2]) };
  });
  const image = tf.tensor(input, [spec.batch, ...spec.size, 3]);
  let logits: Float32Array = new Float32Array();
  return {
    run: async () => {
      const output = tf.tidy(() => {
        const tensors: Tensor[] = [];
        tensors[plan.input] = image;
        for (const { output: at, apply } of operators) tensors[at] = apply(tensors);
        return tensors[plan.outputs[0]!]!;
      });
      logits = await output.data();
      output.dispose();
    },
    logits: () => [...logits.subarray(0, logits.length / spec.batch)],
  };
});
