import * as z from 'zod/mini';
import { NeonsenseError } from '../../errors.js';
import type { Architecture } from '../../model/architecture.js';
import type { Preprocessing, Quantization } from '../../model/model.js';
import { networkOf } from '../../model/network.js';
import { check, type Schema } from '../../schema/check.js';
import { integer, numberThat } from '../../schema/types.js';

/** Scale and zero point of each value by its plan name, as quantization-aware training left them. */
export type TrainedRanges = Readonly<Record<string, Quantization>>;

const scale = numberThat('a finite number above 0', (value) => Math.fround(value) > 0 && value < Infinity);
const range = (zeroPoint: z.ZodMiniType<number>) => z.object({ scale, zeroPoint }, { error: '{ scale, zeroPoint }' });

/** Ranges of activations whose type is not known. */
export const trainedRangesSchema: Schema<TrainedRanges> = z.record(z.string(), range(z.number()), {
  error: 'an object of { scale, zeroPoint } by value name',
});

/**
 * Holds ranges against the network they are said to be of: every value has one, there are no others, and the engine can
 * compute with each.
 *
 * @param ranges `{ "features.0.0": { "scale": 0.08, "zeroPoint": -91 }, ... }`
 * @param of the network, and what messages call the options the ranges are among
 * @param activations their type
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function trainedRanges(
  ranges: TrainedRanges,
  of: { readonly name: string; readonly architecture: Architecture; readonly preprocessing: Preprocessing },
  activations: 'qs8' | 'qu8' = 'qs8',
): Map<string, Quantization> {
  const lowest = activations === 'qs8' ? -128 : 0;
  const each = range(integer(lowest, lowest + 255));
  const { nodes } = networkOf(of.architecture, of.preprocessing.size);
  const name = `${of.name}.ranges`;
  const known = new Map(
    nodes.map((node) => {
      const { scale, zeroPoint } = check(each, ranges[node.name], { name: `${name}['${node.name}']` });
      return [node.name, { scale: Math.fround(scale), zeroPoint }];
    }),
  );
  const stranger = Object.keys(ranges).find((key) => !known.has(key));
  if (stranger !== undefined) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `\`${name}\` names '${stranger}', which is no value of this network: give the ranges of the run that trained it`,
    );
  }
  return known;
}
