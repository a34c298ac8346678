import type { Layer, Quantization } from '../../model/model.js';
import type { NetworkNode } from '../../model/network.js';

/** What XNNPACK's fixed-point operators ask of `input scale / output scale` (or the product it stands for). */
const LIMITS = {
  'hard-swish': { low: 2 ** -8, high: 2 ** 7 },
  'global-average-pool': { low: 2 ** -8, high: 2 ** 8 },
  add: { low: 2 ** -10, high: 2 ** 8 },
  multiply: { low: 2 ** -16, high: 2 ** 8 },
  layer: { low: 2 ** -32, high: 2 ** 8 },
} as const;

/** Rounds after which all conditions hold in any network seen; widening one range can touch the next. */
const ROUNDS = 8;

/**
 * Scales, raised where needed so that the engine's operators accept each ratio of scales. Real networks hardly ever need
 * it; a channel that is almost always zero can.
 *
 * @param wanted scales and zero points of the values that are quantized
 */
export function fitRanges(
  nodes: readonly NetworkNode[],
  layers: ReadonlyMap<string, Layer>,
  wanted: ReadonlyMap<string, Quantization>,
): Map<string, Quantization> {
  const values = new Map(wanted);
  const raise = (name: string, scale: number): void => {
    const value = values.get(name)!;
    if (value.scale < scale) values.set(name, { ...value, scale: Math.fround(scale) });
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const node of nodes) {
      if (node.operator === 'input' || !values.has(node.name)) continue;
      const inputs = node.inputs.filter((name) => values.has(name));
      if (inputs.length < node.inputs.length) continue;
      const output = values.get(node.name)!.scale;
      const { low, high } = LIMITS[node.operator];
      // A little inside the limits, for the rounding of scales to single precision.
      const upper = high * 0.999;
      const lower = low * 1.001;
      if (node.operator === 'multiply') {
        const product = inputs.reduce((result, name) => result * values.get(name)!.scale, 1);
        raise(node.name, product / upper);
        if (product < output * lower) {
          for (const name of inputs) raise(name, values.get(name)!.scale * Math.sqrt((output * lower) / product));
        }
      } else if (node.operator === 'layer') {
        const weights = layers.get(node.name)!.weights;
        const scales = weights.type === 'i8' ? weights.scales : weights.type === 'u8' ? [weights.scale] : [];
        const input = values.get(inputs[0]!)!.scale;
        for (const scale of scales) {
          raise(node.name, (input * scale) / upper);
          if (input * scale < output * lower) raise(inputs[0]!, (output * lower) / scale);
        }
      } else {
        for (const name of inputs) {
          raise(node.name, values.get(name)!.scale / upper);
          raise(name, output * lower);
        }
      }
    }
  }
  return values;
}
