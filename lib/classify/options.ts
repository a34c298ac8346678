import { examined, invalidArgument, NeonsenseError, shortened } from '../errors.js';

/**
 * Checks that `options` is an object with no other keys than `known`, so that a misspelt option is not ignored.
 * (Plain checks instead of a schema library, whose import alone would take longer than loading and running a model.)
 *
 * @returns the options, each read once
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function checkOptions<T extends object>(options: T, known: readonly string[]): T {
  return examined('options', 'an object', options, () => {
    checkKeys(options, known);
    return { ...options };
  });
}

function checkKeys(options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument('options', 'an object', options);
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const meant = known.find((name) => name.toLowerCase() === key.toLowerCase().replaceAll(/[-_]/g, ''));
    const hint = meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${meant}?`;
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', `\`options.${shortened(key)}\` is not an option: ${hint}`);
  }
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` unless `value` is absent or a whole number of at least 1. */
export function checkCount(value: unknown, name: string): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 1)) {
    throw invalidArgument(name, 'a whole number of at least 1', value);
  }
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` unless `value` is absent, `fast` or `exact`. */
export function checkDecode(value: unknown): void {
  if (value !== undefined && value !== 'fast' && value !== 'exact') {
    throw invalidArgument('options.decode', "'fast' or 'exact'", value);
  }
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` unless `value` is absent or an AbortSignal. */
export function checkSignal(value: unknown): void {
  if (value === undefined) return;
  examined('options.signal', 'an AbortSignal', value, () => {
    // By shape, not by class: a signal may come from another realm.
    const signal = (typeof value === 'object' && value !== null ? value : {}) as Partial<AbortSignal>;
    if (typeof signal.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
      throw invalidArgument('options.signal', 'an AbortSignal', value);
    }
  });
}

/** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` unless `value` is absent or one non-empty string for each class. */
export function checkLabels(value: unknown, classes: number): void {
  if (value === undefined) return;
  examined('options.labels', 'an array of names', value, () => checkNames(value, classes));
}

function checkNames(value: unknown, classes: number): void {
  if (!Array.isArray(value) || value.length !== classes) {
    throw invalidArgument('options.labels', `an array of ${classes} names, one for each class of the model`, value);
  }
  for (const [index, label] of value.entries()) {
    if (typeof label !== 'string' || label === '') {
      throw invalidArgument(`options.labels[${index}]`, 'a non-empty string', label);
    }
  }
}

/** What of an answer is wanted, checked. */
export interface Wanted {
  readonly topK: number;
  /** Indices of the classes that may be predicted; undefined for all. */
  readonly allowed: ReadonlySet<number> | undefined;
  readonly minProbability: number;
  readonly probabilities: boolean;
  readonly logits: boolean;
}

interface WantedOptions {
  readonly topK?: unknown;
  readonly only?: unknown;
  readonly except?: unknown;
  readonly minProbability?: unknown;
  readonly probabilities?: unknown;
  readonly logits?: unknown;
}

/**
 * Reads the options that say what of an answer is wanted.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, also for a class the model does not have
 */
export function wantedOf(options: WantedOptions, labels: readonly string[]): Wanted {
  return examined('options', 'options that can be read', options, () => readWanted(options, labels));
}

function readWanted(options: WantedOptions, labels: readonly string[]): Wanted {
  const { topK = 5, only, except, minProbability = 0, probabilities = false, logits = false } = options;
  checkCount(topK, 'options.topK');
  if (typeof minProbability !== 'number' || !(minProbability >= 0 && minProbability <= 1)) {
    throw invalidArgument('options.minProbability', 'a number from 0 to 1', minProbability);
  }
  for (const [name, value] of Object.entries({ probabilities, logits })) {
    if (typeof value !== 'boolean') throw invalidArgument(`options.${name}`, 'true or false', value);
  }
  if (only !== undefined && except !== undefined)
    throw invalidArgument('options.except', 'nothing beside `only`', except);
  const kept = only === undefined ? undefined : indicesOf(only, 'options.only', labels);
  const dropped = except === undefined ? undefined : indicesOf(except, 'options.except', labels);
  const allowed = kept ?? (dropped && new Set([...labels.keys()].filter((index) => !dropped.has(index))));
  return {
    topK: topK as number,
    allowed,
    minProbability,
    probabilities: probabilities as boolean,
    logits: logits as boolean,
  };
}

function indicesOf(names: unknown, option: string, labels: readonly string[]): Set<number> {
  if (!Array.isArray(names)) throw invalidArgument(option, "an array of the model's class names", names);
  return new Set(
    names.map((name, i) => {
      const index = labels.indexOf(name as string);
      if (index < 0)
        throw invalidArgument(`${option}[${i}]`, `a class of the model (${shortened(labels.join(', '))})`, name);
      return index;
    }),
  );
}
