import { examined, invalidArgument, NeonsenseError, shortened } from '../errors.js';

/**
 * What reading one model file may cost at most, so that a small file made to do harm ends in an error instead of in
 * used-up memory. A file that asks for more is refused with `ERR_MODEL_FORMAT`, naming the limit. The defaults fit
 * every MobileNetV3 checkpoint many times over; raise one only for a file whose origin you trust.
 */
export interface Limits {
  /** Bytes of the file itself. Default 1 GiB. */
  readonly fileBytes?: number;
  /** Bytes of what describes the tensors, unpacked: a checkpoint's pickle, a safetensors header. Default 16 MiB. */
  readonly headerBytes?: number;
  /** Bytes that compressed parts unpack to, all together. Default 64 MiB. */
  readonly inflatedBytes?: number;
  /** Bytes of the network's weights as they are kept in memory, all together. Default 256 MiB. */
  readonly tensorBytes?: number;
  /** Containers, texts and entries that describe the tensors. Default 250,000. */
  readonly objects?: number;
  /** Steps of a pickle, entries looked at, words of TorchScript code. Default 1,000,000. */
  readonly work?: number;
  /** Containers inside containers, modules inside modules, calls inside calls. Default 64. */
  readonly depth?: number;
  /** Pixels a side of the network's input, and of what pictures are averaged down to before. Default 2048. */
  readonly inputSide?: number;
}

export const DEFAULT_LIMITS: Required<Limits> = {
  fileBytes: 2 ** 30,
  headerBytes: 2 ** 24,
  inflatedBytes: 2 ** 26,
  tensorBytes: 2 ** 28,
  objects: 250_000,
  work: 1_000_000,
  depth: 64,
  inputSide: 2048,
};

/** The limits whose amounts add up over a file. */
type Total = 'inflatedBytes' | 'tensorBytes' | 'objects' | 'work';

/** What is left of the limits while one file is read. */
export class Budget {
  readonly limits: Required<Limits>;
  readonly #spent: Record<Total, number> = { inflatedBytes: 0, tensorBytes: 0, objects: 0, work: 0 };

  constructor(limits: Required<Limits> = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  /**
   * Takes `amount` off what adds up over a file.
   *
   * @throws {NeonsenseError} `ERR_MODEL_FORMAT` when nothing is left.
   */
  spend(limit: Total, amount = 1): void {
    this.#spent[limit] += amount;
    if (!(this.#spent[limit] <= this.limits[limit])) throw this.exceeded(limit);
  }

  /**
   * Checks what does not add up: a size or a depth.
   *
   * @throws {NeonsenseError} `ERR_MODEL_FORMAT` when `amount` is beyond the limit.
   */
  check(limit: keyof Limits, amount: number): void {
    if (!(amount <= this.limits[limit])) throw this.exceeded(limit, amount);
  }

  /** The error for a file that asks for more than `limit`. */
  exceeded(limit: keyof Limits, amount?: number): NeonsenseError {
    const asked = amount === undefined ? '' : ` (it asks for ${amount})`;
    return new NeonsenseError(
      'ERR_MODEL_FORMAT',
      `The file needs more than the ${this.limits[limit]} ${NAMES[limit]} allowed${asked}. If you trust it, raise ` +
        `\`limits.${limit}\``,
    );
  }
}

/**
 * `limits` with the defaults filled in.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for an unknown limit or one that is not a whole number of at least 1.
 */
export function resolveLimits(limits: unknown): Required<Limits> {
  if (limits === undefined) return DEFAULT_LIMITS;
  return examined('options.limits', 'an object', limits, () => filledIn(limits));
}

function filledIn(limits: unknown): Required<Limits> {
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits)) {
    throw invalidArgument('options.limits', 'an object', limits);
  }
  const resolved: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(limits) as [string, unknown][]) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      const known = Object.keys(DEFAULT_LIMITS).join(', ');
      throw new NeonsenseError(
        'ERR_INVALID_ARGUMENT',
        `\`options.limits.${shortened(name)}\` is no limit: known are ${known}`,
      );
    }
    if (value === undefined) continue;
    // Infinity lifts a limit.
    if (typeof value !== 'number' || !(Number.isSafeInteger(value) || value === Infinity) || value < 1) {
      throw invalidArgument(`options.limits.${name}`, 'a whole number of at least 1, or Infinity', value);
    }
    resolved[name] = value;
  }
  return resolved as unknown as Required<Limits>;
}

const NAMES: Readonly<Record<keyof Limits, string>> = {
  fileBytes: 'bytes of file',
  headerBytes: 'bytes of header or pickle',
  inflatedBytes: 'unpacked bytes',
  tensorBytes: 'bytes of weights',
  objects: 'objects',
  work: 'steps',
  depth: 'levels of nesting',
  inputSide: 'pixels a side of input',
};
