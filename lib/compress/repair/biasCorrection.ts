import type { Layer } from '../../model/model.js';
import type { LayerSpec } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';

/**
 * Moves the average error that rounding the weights makes into the bias (Nagel et al. 2019, arXiv:1906.04721, section
 * 4.2): `b - sum((w' - w) * E[x])`, with the mean of each input channel as calibration saw it. Zeros around the
 * picture are not counted.
 *
 * @param original the layer in float
 * @param quantized the same layer with quantized weights
 * @param means of each input channel
 */
export function correctBias(original: Layer, quantized: Layer, spec: LayerSpec, means: Float64Array): Layer {
  const exact = toFloat32(original.weights);
  const rounded = toFloat32(quantized.weights);
  const outputs = spec.shape[0]!;
  const inputs = spec.shape[1]!;
  const area = (spec.shape[2] ?? 1) * (spec.shape[3] ?? 1);
  const bias = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    let error = 0;
    for (let i = 0; i < inputs; i++) {
      const mean = means[spec.groups > 1 ? o : i]!;
      const start = (o * inputs + i) * area;
      for (let k = start; k < start + area; k++) error += (rounded[k]! - exact[k]!) * mean;
    }
    bias[o] = (quantized.bias?.[o] ?? 0) - error;
  }
  return { ...quantized, bias };
}
