import * as z from 'zod/mini';
import { examined, invalidArgument } from '../../errors.js';
import type { Model } from '../../model/model.js';
import { abortSignal, callback, integer, numberThat, share } from '../../schema/types.js';
import type { ObserveModel } from '../calibrate/calibrate.js';
import { type QuantizeStaticOptions, type QuantizeStaticReport, toInt8Static } from '../quantize/quantizeStatic.js';
import type { KeepFloatTarget, RunModel } from '../quantize/sensitivity.js';
import { type TrainedRanges, trainedRanges, trainedRangesSchema } from '../quantize/trainedRanges.js';
import { accept, type Progress, requireFloat, requireLayers, type StageKind, type Unchecked } from './stage.js';

/** Options of the stage: those of {@link quantizeStatic} that are not the engine's. */
export interface QuantizeStaticStage
  extends Pick<
    QuantizeStaticOptions,
    'ranges' | 'observer' | 'percentile' | 'keepFloat' | 'activations' | 'equalize' | 'biasCorrection'
  > {
  /** When the search of `keepFloat: 'auto'` may stop. */
  readonly target?: KeepFloatTarget | undefined;
}

const target = {
  agreement: z.optional(numberThat('a number over 0 up to 1', (value) => value > 0 && value <= 1)),
  error: z.optional(numberThat('a number of at least 0', (value) => value >= 0)),
  layers: z.optional(integer(0)),
  share: z.optional(share()),
  images: z.optional(integer(1)),
};

const own = {
  ranges: z.optional(trainedRangesSchema as z.ZodMiniType<TrainedRanges>),
  observer: z.optional(z.enum(['minmax', 'percentile', 'mse'])),
  percentile: z.optional(numberThat('a number over 50 up to 100', (value) => value > 50 && value <= 100)),
  keepFloat: z.optional(
    z.union([z.array(z.string()), z.enum(['sensitive', 'auto'])], {
      error: "an array of layer names, 'sensitive' or 'auto'",
    }),
  ),
  activations: z.optional(z.enum(['qs8', 'qu8'])),
  equalize: z.optional(z.boolean()),
  biasCorrection: z.optional(z.boolean()),
};

export const quantizeStaticStage: StageKind<QuantizeStaticStage> = {
  schema: z.strictObject({ ...own, target: z.optional(z.strictObject(target)) }),
  check({ ranges, keepFloat, activations, equalize, biasCorrection }, expected) {
    requireFloat(expected, 'quantize');
    if (Array.isArray(keepFloat)) requireLayers(keepFloat, 'keepFloat', expected);
    if (ranges !== undefined) {
      trainedRanges(ranges, expected, activations);
      if (equalize === true) {
        const name = `${expected.name}.equalize`;
        throw invalidArgument(name, 'false beside `ranges`, which equalization would make wrong,', equalize);
      }
    }
    if (ranges === undefined || biasCorrection === true || keepFloat === 'auto') expected.calibration();
    return 'int8-static';
  },
  async run(model, { target, keepFloat, ...options }, { calibration, engine, signal, onProgress }) {
    const { float, ...made } = await toInt8Static(model, {
      ...options,
      calibration,
      // Sensitive layers were chosen for ranges from calibration; trained ones hold for what they were trained with.
      keepFloat: keepFloat ?? (options.ranges === undefined ? 'sensitive' : []),
      observe: engine.observe,
      search: { ...target, run: engine.run },
      signal,
      onProgress,
    });
    return { ...made, reference: float };
  },
};

const callSchema = z.strictObject({
  ...own,
  observe: callback<ObserveModel>(),
  search: z.optional(z.strictObject({ ...target, run: callback<RunModel>() })),
  signal: z.optional(abortSignal()),
  onProgress: z.optional(callback<Progress>()),
});

/**
 * Quantizes weights and activations to 8 bits with ranges fixed by calibration, through the whole network or all of it
 * but `keepFloat`. Biases stay in float here; the engine takes them as int32, in units of input scale times weight
 * scale.
 *
 * @returns the quantized model; the float one its numbers were rounded from, folded and equalized; what was chosen
 * @throws {NeonsenseError} `ERR_DATASET` for a calibration set that is empty or of another shape, `ERR_UNSUPPORTED` for
 * a model that is quantized already, `ERR_MODEL_ARCHITECTURE` for NaN or infinite weights, `ERR_INVALID_ARGUMENT`,
 * `ERR_ABORTED`
 */
export async function quantizeStatic(
  model: Model,
  options: Unchecked<QuantizeStaticOptions>,
): Promise<{ model: Model; float: Model; report: QuantizeStaticReport }> {
  const { calibration: pictures, ...rest } = examined('options', 'an object', options, () => ({ ...options }));
  const calibration = accept({ ...quantizeStaticStage, schema: callSchema }, model, rest, pictures);
  if (rest.keepFloat === 'auto' && rest.search === undefined) {
    throw invalidArgument('options.search', "an object with a `run` function beside keepFloat: 'auto'", rest.search);
  }
  return toInt8Static(model, { ...rest, calibration });
}
