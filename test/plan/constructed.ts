import { createHash } from 'node:crypto';
import type { Layer, Model } from '../../lib/model/model.js';
import { layerSpecs } from '../../lib/model/network.js';
import type { Plan, PlanLayer, PlanWeights } from '../../lib/plan/plan.js';
import { plainArchitecture } from '../compress/running.js';
import { randomModel } from '../randomModel.js';

/** A narrow network of numbers that are sums of few powers of two, so that every machine makes the same plan of it. */
export function constructedModel(): Model {
  const model = plainArchitecture(randomModel({ size: 64 }));
  const numbers = (count: number, offset = 0): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => offset + (((i * 37) % 17) - 8) / 16);
  const layers = new Map<string, Layer>();
  for (const { name, shape, batchNorm } of layerSpecs(model.architecture)) {
    const channels = shape[0]!;
    const weights = { type: 'f32', data: numbers(shape.reduce((product, side) => product * side, 1)) } as const;
    const norm = { weight: numbers(channels, 1), bias: numbers(channels), mean: numbers(channels) };
    layers.set(
      name,
      batchNorm === undefined
        ? { weights, bias: numbers(channels) }
        : { weights, batchNorm: { ...norm, variance: numbers(channels, 1) } },
    );
  }
  return { ...model, layers };
}

/** The plan as text: a line for each layer with what it reads and writes, arrays by length and the start of their hash. */
export function planText(plan: Plan): string {
  const value = (index: number): string => {
    const { name, shape, type, scale, zeroPoint } = plan.values[index]!;
    return `${name} ${type}[${shape.join(' ')}]${scale === undefined ? '' : ` x${scale} ${zeroPoint}`}`;
  };
  const line = (layer: PlanLayer): string => {
    const flow = `${layer.name}: ${layer.op}(${layer.inputs.map(value).join(', ')}) -> ${value(layer.output)}`;
    if (!('weights' in layer)) return flow;
    const { kernel, stride, padding, min, max, bias, weights } = layer;
    const window = `kernel ${kernel.join('x')}, stride ${stride.join('x')}, padding ${padding.join(' ')}`;
    return `${flow}; ${window}; ${weightsText(weights)}; bias ${arrayText(bias)}; clamp ${min} ${max}`;
  };
  return `${plan.layers.map(line).join('\n')}\noutputs: ${plan.outputs.map(value).join(', ')}\n`;
}

function weightsText(weights: PlanWeights): string {
  switch (weights.type) {
    case 'f32':
      return `f32 ${arrayText(weights.data)}${weights.factors === undefined ? '' : ` * ${arrayText(weights.factors)}`}`;
    case 'qc8':
      return `qc8 ${arrayText(weights.data)} x ${arrayText(weights.scales)}`;
    case 'qu8':
      return `qu8 ${arrayText(weights.data)} x${weights.scale} ${weights.zeroPoint}`;
  }
}

function arrayText(array: Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array): string {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return `${array.length} #${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}`;
}
