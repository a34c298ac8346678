import { invalidArgument, NeonsenseError } from '../../errors.js';
import type { Quantization } from '../../model/model.js';
import type { NetworkNode } from '../../model/network.js';

/** Scale and zero point of each value by its plan name, as quantization-aware training left them. */
export type TrainedRanges = Readonly<Record<string, Quantization>>;

/**
 * Checks ranges from outside: every value of the network has one, and each is one the engine can compute with.
 *
 * @param ranges `{ "features.0.0": { "scale": 0.08, "zeroPoint": -91 }, ... }`; names that are no values are refused
 * @param nodes the network's values
 * @param type of the activations
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function checkTrainedRanges(
  ranges: unknown,
  nodes: readonly NetworkNode[],
  type: 'qs8' | 'qu8',
): Map<string, Quantization> {
  if (typeof ranges !== 'object' || ranges === null || Array.isArray(ranges)) {
    throw invalidArgument('ranges', 'an object of { scale, zeroPoint } by value name', ranges);
  }
  const given = new Map<string, unknown>(Object.entries(ranges));
  const lowest = type === 'qs8' ? -128 : 0;
  const checked = new Map<string, Quantization>();
  for (const { name } of nodes) {
    const range = given.get(name);
    const where = `ranges['${name}']`;
    if (typeof range !== 'object' || range === null) throw invalidArgument(where, '{ scale, zeroPoint }', range);
    const { scale, zeroPoint } = range as Record<string, unknown>;
    if (!(typeof scale === 'number' && Number.isFinite(scale) && Math.fround(scale) > 0)) {
      throw invalidArgument(`${where}.scale`, 'a finite number above 0', scale);
    }
    const inside = typeof zeroPoint === 'number' && zeroPoint >= lowest && zeroPoint <= lowest + 255;
    if (!inside || !Number.isInteger(zeroPoint)) {
      throw invalidArgument(`${where}.zeroPoint`, `an integer from ${lowest} to ${lowest + 255}`, zeroPoint);
    }
    checked.set(name, { scale: Math.fround(scale), zeroPoint });
    given.delete(name);
  }
  for (const name of given.keys()) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `ranges names '${name}', which is no value of this network: give the ranges of the run that trained it`,
    );
  }
  return checked;
}
