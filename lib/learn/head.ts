import { toFp16 } from '../compress/stages/fp16.js';
import { foldModel } from '../model/foldBatchNorm.js';
import type { Confidence, Layer, Model } from '../model/model.js';
import { layerSpecs } from '../model/network.js';
import { toFloat32 } from '../model/weights.js';
import type { LinearHead } from './samples.js';

/**
 * `base` as far as its pooled features, with `head` behind them. The features are computed as the head has seen them: in the
 * base's half precision, in its int8 with ranges found as pictures come, else in single precision.
 */
export function withHead(
  base: Model,
  head: LinearHead,
  labels: readonly string[],
  { confidence, details }: { readonly confidence: Confidence | undefined; readonly details: Record<string, unknown> },
): Model {
  const { quantization: scheme, confidence: _old, translations: _names, ...rest } = foldModel(base);
  const isInt8 = scheme?.mode === 'dynamic' && scheme.scope === 'all';
  const architecture = { ...base.architecture, hidden: 0, classes: labels.length };
  const layers = new Map<string, Layer>();
  for (const spec of layerSpecs(architecture)) {
    if (spec.role === 'logits') {
      const weights = { type: 'f32', data: Float32Array.from(head.weights) } as const;
      layers.set(spec.name, { weights, bias: Float32Array.from(head.bias) });
    } else {
      const layer = rest.layers.get(spec.name)!;
      const weights = isInt8 ? layer.weights : ({ type: 'f32', data: toFloat32(layer.weights) } as const);
      layers.set(spec.name, { ...layer, weights });
    }
  }
  const model: Model = {
    ...rest,
    architecture,
    layers,
    labels: [...labels],
    precision: isInt8 ? base.precision : 'fp32',
    ...(isInt8 ? { quantization: scheme } : {}),
    ...(confidence === undefined ? {} : { confidence }),
    provenance: [...base.provenance, { step: 'learn', details }],
  };
  return base.precision === 'fp16' ? toFp16(model) : model;
}
