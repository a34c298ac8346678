import * as z from 'zod/mini';
import type { Model } from '../../model/model.js';
import type { LayerSpec } from '../../model/network.js';
import { callback, integer, numberThat } from '../../schema/types.js';
import { type PruneOptions, type PruneReport, removeWeights, WIDTHS } from '../prune/prune.js';
import { accept, requireFloat, requireLayers, type StageKind } from './stage.js';

const amount = z.optional(
  numberThat('a number from 0 up to but not including 1, such as 0.3 for 30 %,', (share) => share >= 0 && share < 1),
);
const scope = z.optional(z.enum(['per-tensor', 'global']));
const targets = z.optional(
  z.union([z.array(z.string()), callback<(spec: LayerSpec) => boolean>()], {
    error: 'an array of layer names or a function',
  }),
);

const schema = z.discriminatedUnion(
  'method',
  [
    z.strictObject({ method: z.optional(z.literal('l1-unstructured')), amount, scope, targets }),
    z
      .strictObject({ method: z.literal('n:m'), n: integer(1, 63), m: integer(2, 64), targets })
      .check(z.refine(({ n, m }) => n < m, { path: ['n'], error: 'a number below `m`' })),
    z.strictObject({
      method: z.literal('block'),
      amount,
      scope,
      targets,
      block: z.optional(z.tuple([integer(1, 1024), integer(1, 1024)], { error: 'two whole numbers' })),
    }),
    z.strictObject({
      method: z.literal('channels'),
      amount,
      multiple: z.optional(integer(1, 64)),
      widths: z.optional(z.array(z.enum(WIDTHS))),
    }),
  ],
  { error: "'l1-unstructured', 'n:m', 'block' or 'channels'" },
);

export const pruneStage: StageKind<PruneOptions> = {
  schema,
  check(options, expected) {
    if (options.method === 'channels') requireFloat(expected, 'remove channels');
    else if (Array.isArray(options.targets)) requireLayers(options.targets, 'targets', expected);
    return expected.precision;
  },
  run: (model, options) => ({ ...removeWeights(model, options), reference: model }),
};

/**
 * Removes the weights that matter least by magnitude.
 *
 * With the defaults the result is that of `torch.nn.utils.prune.l1_unstructured(module, 'weight', 0.3)` on every Conv2d
 * and Linear module: in each tensor, before batch norm is folded, the `round(amount * numel)` smallest magnitudes
 * (Python's rounding) become zero and all others stay as they are, bit for bit. Among equal magnitudes PyTorch
 * promises no order; here the first ones go.
 *
 * @returns a new model and what was done, layer by layer
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for options out of range or a target that is no layer,
 * `ERR_MODEL_ARCHITECTURE` for NaN or infinite weights, `ERR_UNSUPPORTED` for channel pruning of an int8 model
 */
export function prune(model: Model, options: PruneOptions = {}): { model: Model; report: PruneReport } {
  accept(pruneStage, model, options);
  return removeWeights(model, options);
}
