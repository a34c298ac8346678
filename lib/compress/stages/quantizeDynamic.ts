import * as z from 'zod/mini';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Model } from '../../model/model.js';
import { calibrate } from '../calibrate/calibrate.js';
import { inSinglePrecision } from '../quantize/fp16.js';
import { type QuantizeDynamicOptions, tinyLayers, toInt8Dynamic } from '../quantize/quantizeDynamic.js';
import { equalizeCalibrated } from '../repair/equalizeCalibrated.js';
import { accept, requireFloat, requireLayers, type StageKind } from './stage.js';

/** Options of the stage; PyTorch's way, scope `linear`, stays PyTorch's whatever `equalize` and `biasCorrection` say. */
export interface QuantizeDynamicStage extends Omit<QuantizeDynamicOptions, 'means'> {
  /** Even out channels, given calibration pictures. Default true. */
  readonly equalize?: boolean | undefined;
  /** Correct biases for the average error of rounded weights, given calibration pictures. Default true. */
  readonly biasCorrection?: boolean | undefined;
}

const own = { scope: z.optional(z.enum(['linear', 'all'])), keepFloat: z.optional(z.array(z.string())) };

export const quantizeDynamicStage: StageKind<QuantizeDynamicStage> = {
  schema: z.strictObject({ ...own, equalize: z.optional(z.boolean()), biasCorrection: z.optional(z.boolean()) }),
  check({ keepFloat }, expected) {
    requireFloat(expected, 'quantize');
    if (keepFloat !== undefined) requireLayers(keepFloat, 'keepFloat', expected);
    return 'int8-dynamic';
  },
  async run(model, { equalize = true, biasCorrection = true, ...options }, { calibration, engine, signal }) {
    const improves = options.scope !== 'linear' && (equalize || biasCorrection);
    if (!improves || calibration === undefined) return { model: toInt8Dynamic(model, options), reference: model };
    const observed = (float: Model) => calibrate(float, calibration, engine.observe, signal);
    const folded = foldModel(inSinglePrecision(model));
    const { float, observers } = equalize
      ? await equalizeCalibrated(folded, observed)
      : { float: folded, observers: await observed(folded) };
    const quantized = toInt8Dynamic(float, {
      ...options,
      keepFloat: options.keepFloat ?? (equalize ? tinyLayers(model.architecture) : undefined),
      means: biasCorrection
        ? new Map([...observers].map(([name, observer]) => [name, observer.channelMeans()]))
        : undefined,
    });
    return { model: withDetails(quantized, { equalize }), reference: float };
  },
};

/** Adds to what the last step of a model's provenance says. */
function withDetails(model: Model, details: { readonly [key: string]: unknown }): Model {
  const last = model.provenance.at(-1)!;
  const step = { ...last, details: { ...last.details, ...details } };
  return { ...model, provenance: [...model.provenance.slice(0, -1), step] };
}

const callSchema = z.strictObject({ ...own, means: z.optional(z.instanceof(Map<string, Float64Array>)) });

/**
 * Quantizes weights to int8 now, and leaves activations to be quantized while the model runs, from each picture's own
 * range. Needs no calibration data.
 *
 * With scope `linear` the weights and scales are, bit for bit, those of `torch.ao.quantization.quantize_dynamic` on
 * `{torch.nn.Linear}` with the QNNPACK engine, and every other layer stays as it was, its batch norm unfolded. One
 * thing differs by design: PyTorch takes the activation range over the whole batch, so that there a picture's logits
 * depend on its neighbours; here the range is each picture's own, as if the batch were one.
 *
 * With scope `all` batch norm is folded everywhere, 1x1 convolutions (squeeze-and-excitation's included) and Linear
 * layers get int8 weights, the stem, the depthwise convolutions and the layers of `keepFloat` stay in float.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a model that is quantized already, `ERR_MODEL_ARCHITECTURE` for NaN or
 * infinite weights, `ERR_INVALID_ARGUMENT` for another scope or a name in `keepFloat` that is no layer's
 */
export function quantizeDynamic(model: Model, options: QuantizeDynamicOptions = {}): Model {
  accept({ ...quantizeDynamicStage, schema: callSchema }, model, options);
  return toInt8Dynamic(model, options);
}
