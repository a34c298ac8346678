import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileError, NeonsenseError } from '../errors.js';
import type { Precision } from '../model/model.js';
import { packageRoot } from '../package.js';

/** One of the models that come with the package. */
export interface Variant {
  /** For example `household-int8-dynamic`. */
  readonly name: string;
  /** Its file's name, in the manifest's folder. */
  readonly file: string;
  readonly precision: Precision;
  /** Run with sparse kernels. */
  readonly sparse: boolean;
  /** Size of the file. */
  readonly bytes: number;
  /** Of the file, hexadecimal. */
  readonly sha256: string;
  /** Shares of the test pictures, 0 to 1. */
  readonly top1: number;
  readonly top5: number;
}

/** When a variant is chosen; a rule without conditions always holds. */
export interface VariantRule {
  readonly variant: string;
  /** Holds where the CPU has one of these features, as `Cpu.features` names them. */
  readonly anyFeature?: readonly string[];
  /** Holds where less memory than this is available, in bytes. */
  readonly availableMemoryBelow?: number;
  /** Why, as the end of a sentence. */
  readonly because: string;
}

/** What `models/manifest.json` holds. */
export interface Manifest {
  /** The first of each precision is, or is made from, the model that the self-test's logits are of. */
  readonly variants: readonly Variant[];
  /** The first that holds and whose variant is there decides; the last one always holds. */
  readonly rules: readonly VariantRule[];
  /** Which variants a measurement compares, and how. */
  readonly measure: {
    /** Variants whose top-1 is lower than the best one's by more than this are left out. */
    readonly maxTop1Loss: number;
    /** Variants slower than the fastest by at most this share count as equally fast; the most accurate of them wins. */
    readonly tolerance: number;
  };
  /** Float variants and what they answer, of which the self-test takes the first that is there. */
  readonly selfTest: readonly SelfTestReference[];
}

/** What a float variant answers for the built-in picture (see selfTest.ts), computed where the manifest was made. */
export interface SelfTestReference {
  readonly variant: string;
  /** Computed in single precision, also where the weights are stored in half. */
  readonly logits: readonly number[];
}

/** The models that come with the package. */
export const modelsFolder: string = join(packageRoot, 'models');

const PRECISIONS: readonly string[] = ['fp32', 'fp16', 'int8-dynamic', 'int8-static'] satisfies Precision[];

/**
 * Reads and checks the manifest of a folder of models. (Checked by hand: a schema library takes longer to load than a
 * model takes to load and run.)
 *
 * @throws NeonsenseError `ERR_NOT_FOUND` or `ERR_IO` where it can't be read, `ERR_MODEL_FORMAT` where it is not sound
 */
export function readManifest(folder: string = modelsFolder): Manifest {
  const file = join(folder, 'manifest.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = `There is no ${file}, so no model can be chosen: install neonsense again, or name a model file`;
    throw fileError(cause, missing, `${file} can't be read`);
  }
  try {
    return checkManifest(JSON.parse(text));
  } catch (cause) {
    throw new NeonsenseError('ERR_MODEL_FORMAT', `${file}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Checks a parsed manifest. Unknown keys are refused, so that a misspelt condition does not make a rule hold always.
 *
 * @throws Error naming the place, what was expected and what was found
 */
export function checkManifest(value: unknown): Manifest {
  const root = fields(value, 'the manifest', ['format', 'variants', 'rules', 'measure', 'selfTest']);
  if (root['format'] !== 1) throw expected('format', '1', root['format']);
  const variants = list(root['variants'], 'variants').map(checkVariant);
  const names = variants.map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error('two variants have the same name');
  const known = (name: unknown, place: string): string => {
    if (typeof name !== 'string' || !names.includes(name)) throw expected(place, `one of ${names.join(', ')}`, name);
    return name;
  };
  const rules = list(root['rules'], 'rules').map((rule, i) => checkRule(rule, `rules[${i}]`, known));
  const last = rules.at(-1)!;
  if (last.anyFeature !== undefined || last.availableMemoryBelow !== undefined) {
    throw new Error('the last rule has a condition: some machine would be left without a model');
  }
  const sparse = rules.find(({ variant }) => variants.some((each) => each.name === variant && each.sparse));
  if (sparse !== undefined) {
    throw new Error(`a rule names ${sparse.variant}, but sparse variants are for measurements and by name only`);
  }
  const measure = fields(root['measure'], 'measure', ['maxTop1Loss', 'tolerance']);
  return {
    variants,
    rules,
    measure: {
      maxTop1Loss: share(measure['maxTop1Loss'], 'measure.maxTop1Loss'),
      tolerance: share(measure['tolerance'], 'measure.tolerance'),
    },
    selfTest: list(root['selfTest'], 'selfTest').map((reference, i) => {
      const place = `selfTest[${i}]`;
      const { variant, logits } = fields(reference, place, ['variant', 'logits']);
      const { name, precision } = variants.find((each) => each.name === known(variant, `${place}.variant`))!;
      if (precision !== 'fp32' && precision !== 'fp16') throw expected(`${place}.variant`, 'a float variant', name);
      return {
        variant: name,
        logits: list(logits, `${place}.logits`).map((logit, j) => number(logit, `${place}.logits[${j}]`)),
      };
    }),
  };
}

function checkVariant(value: unknown, index: number): Variant {
  const place = `variants[${index}]`;
  const keys = ['name', 'file', 'precision', 'sparse', 'bytes', 'sha256', 'top1', 'top5'];
  const variant = fields(value, place, keys);
  const { name, file, precision, sparse = false, bytes, sha256 } = variant;
  if (typeof name !== 'string' || name === '') throw expected(`${place}.name`, 'a name', name);
  if (typeof file !== 'string' || file === '' || basename(file) !== file || file.includes('\\')) {
    throw expected(`${place}.file`, "a file's name without a folder", file);
  }
  if (!PRECISIONS.includes(precision as string)) throw expected(`${place}.precision`, PRECISIONS.join(', '), precision);
  if (typeof sparse !== 'boolean') throw expected(`${place}.sparse`, 'true or false', sparse);
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 1) throw expected(`${place}.bytes`, 'a size', bytes);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    throw expected(`${place}.sha256`, '64 hexadecimal digits', sha256);
  }
  return {
    name,
    file,
    precision: precision as Precision,
    sparse,
    bytes: bytes as number,
    sha256,
    top1: share(variant['top1'], `${place}.top1`),
    top5: share(variant['top5'], `${place}.top5`),
  };
}

function checkRule(value: unknown, place: string, known: (name: unknown, place: string) => string): VariantRule {
  const rule = fields(value, place, ['variant', 'anyFeature', 'availableMemoryBelow', 'because']);
  const { anyFeature, availableMemoryBelow: below, because } = rule;
  if (anyFeature !== undefined && !list(anyFeature, `${place}.anyFeature`).every((name) => typeof name === 'string')) {
    throw expected(`${place}.anyFeature`, 'names of CPU features', anyFeature);
  }
  if (below !== undefined && (!Number.isSafeInteger(below) || (below as number) < 1)) {
    throw expected(`${place}.availableMemoryBelow`, 'a size', below);
  }
  if (typeof because !== 'string' || because === '') throw expected(`${place}.because`, 'a reason', because);
  return {
    variant: known(rule['variant'], `${place}.variant`),
    ...(anyFeature === undefined ? {} : { anyFeature: anyFeature as string[] }),
    ...(below === undefined ? {} : { availableMemoryBelow: below as number }),
    because,
  };
}

function fields(value: unknown, place: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw expected(place, 'an object', value);
  const stranger = Object.keys(value).find((key) => !known.includes(key));
  if (stranger !== undefined) throw new Error(`${place} has the unknown key ${JSON.stringify(stranger)}`);
  return value as Record<string, unknown>;
}

function list(value: unknown, place: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw expected(place, 'a list that is not empty', value);
  return value;
}

function number(value: unknown, place: string): number {
  if (!Number.isFinite(value)) throw expected(place, 'a number', value);
  return value as number;
}

function share(value: unknown, place: string): number {
  if (!(number(value, place) >= 0 && (value as number) <= 1)) throw expected(place, 'a number from 0 to 1', value);
  return value as number;
}

function expected(place: string, what: string, found: unknown): Error {
  return new Error(`expected ${what} for ${place} but found ${JSON.stringify(found) ?? 'nothing'}`);
}
