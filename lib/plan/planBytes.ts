import type { Plan, PlanLayer, PlanValue, ValueType } from './plan.js';

/** In the order of native/engine/plan.h, which the bytes count them in. */
const VALUE_TYPES: readonly ValueType[] = ['f32', 'qs8', 'qu8', 'qd8'];
const WEIGHT_TYPES = ['f32', 'qc8', 'qu8'] as const;
const OPS: readonly PlanLayer['op'][] = [
  'conv2d',
  'depthwise-conv2d',
  'linear',
  'global-average-pool',
  'hard-swish',
  'multiply',
  'add',
  'convert',
];

/** The byte form of a plan, for programs without JavaScript; native/engine/plan_bytes.h describes it and reads it. */
export function encodePlan(plan: Plan): Uint8Array {
  const writer = new Writer();
  writer.word(plan.values.length);
  for (const value of plan.values) writeValue(writer, value);
  writer.word(plan.layers.length);
  for (const layer of plan.layers) writeLayer(writer, layer);
  writer.word(plan.input);
  writer.array(Uint32Array.from(plan.outputs));
  return writer.bytes();
}

function writeValue(writer: Writer, { name, shape, type, scale = 0, zeroPoint = 0 }: PlanValue): void {
  writer.array(new TextEncoder().encode(name));
  for (const side of shape) writer.word(side);
  writer.word(VALUE_TYPES.indexOf(type));
  writer.float(scale);
  writer.word(zeroPoint);
}

function writeLayer(writer: Writer, layer: PlanLayer): void {
  writer.word(OPS.indexOf(layer.op));
  writer.array(new TextEncoder().encode(layer.name));
  writer.array(Uint32Array.from(layer.inputs));
  writer.word(layer.output);
  if (!('weights' in layer)) return;
  for (const number of [...layer.kernel, ...layer.stride, ...layer.padding]) writer.word(number);
  const { weights, bias } = layer;
  writer.word(WEIGHT_TYPES.indexOf(weights.type));
  writer.array(weights.type === 'f32' ? weights.data : new Float32Array(0));
  writer.array((weights.type === 'f32' ? weights.factors : undefined) ?? new Float64Array(0));
  writer.array(weights.type === 'qc8' ? weights.data : new Int8Array(0));
  writer.array(weights.type === 'qc8' ? weights.scales : new Float32Array(0));
  writer.array(weights.type === 'qu8' ? weights.data : new Uint8Array(0));
  writer.float(weights.type === 'qu8' ? weights.scale : 0);
  writer.word(weights.type === 'qu8' ? weights.zeroPoint : 0);
  writer.array(bias instanceof Float32Array ? bias : new Float32Array(0));
  writer.array(bias instanceof Int32Array ? bias : new Int32Array(0));
  writer.float(layer.min);
  writer.float(layer.max);
}

class Writer {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  word(number: number): void {
    this.#append(new Uint8Array(Int32Array.of(number).buffer));
  }

  float(number: number): void {
    this.#append(new Uint8Array(Float32Array.of(number).buffer));
  }

  array(numbers: ArrayBufferView & { readonly length: number }): void {
    this.word(numbers.length);
    this.#pad(8);
    this.#append(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    this.#pad(4);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }

  #pad(alignment: number): void {
    this.#append(new Uint8Array((alignment - (this.#length % alignment)) % alignment));
  }

  #append(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }
}
