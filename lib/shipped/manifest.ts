import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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

/**
 * Reads the manifest of a folder of models. Only its outline is checked here, by hand: `Classifier.load()` goes this way,
 * and the schema in manifestSchema.ts takes longer to load than a model takes to load and run. The shipped manifest is
 * held against that by the script that writes it, by the tests and by `neonsense doctor`.
 *
 * @throws {NeonsenseError} as `manifestDocument` does
 */
export function readManifest(folder: string = modelsFolder): Manifest {
  const { file, document } = manifestDocument(folder);
  const { format, variants, rules, measure, selfTest } = (document ?? {}) as Manifest & { readonly format: unknown };
  if (format !== 1 || ![variants, rules, selfTest].every(Array.isArray) || typeof measure !== 'object') {
    throw unsound(file, 'it is no manifest of format 1');
  }
  return {
    variants: variants.map((variant) => ({ ...variant, sparse: variant.sparse ?? false })),
    rules,
    measure,
    selfTest,
  };
}

/**
 * The manifest of a folder of models as it stands in the file.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` or `ERR_IO` where it can't be read, `ERR_MODEL_FORMAT` where it is not JSON
 */
export function manifestDocument(folder: string): { readonly file: string; readonly document: unknown } {
  const file = join(folder, 'manifest.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = `There is no ${file}, so no model can be chosen: install neonsense again, or name a model file`;
    throw fileError(cause, missing, `${file} can't be read`);
  }
  try {
    return { file, document: JSON.parse(text) };
  } catch (cause) {
    throw unsound(file, (cause as Error).message, cause);
  }
}

function unsound(file: string, problem: string, cause?: unknown): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_FORMAT', `${file}: ${problem}; install neonsense again`, { cause });
}
