import { isDeepStrictEqual } from 'node:util';
import { describe, NeonsenseError } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import type { Architecture, Conventions } from '../architecture.js';
import type {
  Confidence,
  Model,
  Precision,
  ProvenanceStep,
  Quantization,
  QuantizationScheme,
  Translations,
} from '../model.js';
import { faultText, isFault, type Preprocessing, parsePreprocessing } from '../preprocessing.js';
import { checkSize, parseJson } from './json.js';

/** Value of the metadata key `format` that tells this package's files from other safetensors files. */
export const FORMAT = 'neonsense';
/**
 * Values of the metadata key `version` that are read. A file has the lowest that can say what it says, so that older
 * readers read what they can and refuse what they would misread: 1.1 came with a preprocessing of more than
 * {@link FIRST_FIELDS}.
 */
export const VERSIONS: readonly string[] = ['1', '1.1'];
const FIRST_FIELDS: readonly string[] = ['reduce', 'size', 'mean', 'std'];

/** What a file says about its tensors. */
export interface Metadata {
  readonly labels: readonly string[];
  readonly translations?: Translations;
  readonly preprocessing: Preprocessing;
  readonly precision: Precision;
  readonly quantization?: QuantizationScheme;
  readonly confidence?: Confidence;
  readonly provenance: readonly ProvenanceStep[];
}

/** `model` without its tensors, as the strings a safetensors file can hold. */
export function encodeMetadata(model: Model): Map<string, string> {
  const { quantization, confidence, preprocessing, translations } = model;
  const isFirst = Object.keys(preprocessing).every((field) => FIRST_FIELDS.includes(field));
  const metadata = new Map([
    ['format', FORMAT],
    ['version', isFirst && preprocessing.reduce !== undefined ? '1' : '1.1'],
    ['architecture', toJson(model.architecture, 'architecture')],
    ['labels', toJson(model.labels, 'labels')],
    ['preprocessing', toJson(preprocessing, 'preprocessing')],
    ['precision', model.precision],
    ['provenance', toJson(model.provenance, 'provenance')],
  ]);
  if (translations !== undefined) metadata.set('translations', toJson(translations, 'translations'));
  if (confidence !== undefined) metadata.set('confidence', toJson(confidence, 'confidence'));
  if (quantization !== undefined)
    metadata.set('quantization', toJson(quantizationToJson(quantization), 'quantization'));
  return metadata;
}

/** `value` as JSON that can be read back: of JSON's values only, no larger and no deeper than is read. */
function toJson(value: unknown, key: string): string {
  checkSize(value, `model.${key}`);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new NeonsenseError('ERR_MODEL_FORMAT', `\`model.${key}\` is missing`);
  return text;
}

function quantizationToJson(scheme: QuantizationScheme): unknown {
  if (scheme.mode === 'dynamic') return scheme;
  return { ...scheme, values: Object.fromEntries(scheme.values) };
}

/**
 * Reads the metadata of a file for the network `architecture`, which was derived from its tensors.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming the key, what was expected and what came, or the limit exceeded.
 */
export function decodeMetadata(
  metadata: ReadonlyMap<string, string>,
  architecture: Architecture,
  budget: Budget,
): Metadata {
  const json = (key: string): unknown => parsed(metadata, key, budget);
  // A model that is about to be written is checked here too.
  conventionsOf(architecture);
  const made = JSON.stringify(architecture);
  // Mostly it was written just so.
  if (metadata.get('architecture') !== made) {
    const stored = json('architecture');
    conventionsOf(stored);
    if (!isDeepStrictEqual(stored, JSON.parse(made))) {
      throw wrong('architecture', `the ${architecture.name} that the tensors make up`, stored);
    }
  }
  const precision = decodePrecision(metadata.get('precision'));
  const quantization = metadata.has('quantization') ? decodeQuantization(json('quantization')) : undefined;
  const needed = precision === 'int8-dynamic' ? 'dynamic' : precision === 'int8-static' ? 'static' : undefined;
  if (quantization?.mode !== needed) {
    throw wrong('quantization', `${needed ?? 'nothing'} beside precision ${precision}`, quantization?.mode);
  }
  const preprocessing = decodePreprocessing(json('preprocessing'));
  const { resize = 0, reduce = [0, 0], size } = preprocessing;
  budget.check('inputSide', Math.max(resize, ...reduce, ...size));
  const labels = decodeLabels(json('labels'), architecture.classes);
  return {
    labels,
    // Checked with the whole model.
    ...(metadata.has('translations') ? { translations: json('translations') as Translations } : {}),
    preprocessing,
    precision,
    ...(quantization === undefined ? {} : { quantization }),
    ...(metadata.has('confidence') ? { confidence: decodeConfidence(json('confidence'), labels) } : {}),
    provenance: decodeProvenance(json('provenance')),
  };
}

/**
 * What a file says about the network that its tensors' shapes do not show.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming the key, what was expected and what came.
 */
export function decodeConventions(metadata: ReadonlyMap<string, string>, budget: Budget): Conventions {
  return conventionsOf(parsed(metadata, 'architecture', budget));
}

function conventionsOf(architecture: unknown): Conventions {
  if (!isObject(architecture)) throw wrong('architecture', 'an object', architecture);
  const { padding, batchNormEpsilon } = architecture;
  if (padding !== undefined && padding !== 'same') throw wrong('architecture.padding', 'same or nothing', padding);
  if (batchNormEpsilon !== undefined && !(isFiniteNumber(batchNormEpsilon) && batchNormEpsilon > 0)) {
    throw wrong('architecture.batchNormEpsilon', 'a finite number above 0', batchNormEpsilon);
  }
  return {
    ...(padding === undefined ? {} : { padding }),
    ...(batchNormEpsilon === undefined ? {} : { batchNormEpsilon }),
  };
}

function parsed(metadata: ReadonlyMap<string, string>, key: string, budget: Budget): unknown {
  const text = metadata.get(key);
  if (text === undefined) throw wrong(key, 'JSON', undefined);
  try {
    return parseJson(text, budget);
  } catch (error) {
    if (error instanceof NeonsenseError) throw error;
    throw new NeonsenseError('ERR_MODEL_FORMAT', `The metadata key ${key} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function decodePrecision(value: string | undefined): Precision {
  switch (value) {
    case 'fp32':
    case 'fp16':
    case 'int8-dynamic':
    case 'int8-static':
      return value;
    default:
      throw wrong('precision', 'fp32, fp16, int8-dynamic or int8-static', value);
  }
}

function decodeLabels(value: unknown, classes: number): readonly string[] {
  if (!Array.isArray(value) || value.length !== classes || !value.every((label) => typeof label === 'string')) {
    throw wrong('labels', `${classes} strings, one per class`, value);
  }
  return value;
}

function decodePreprocessing(value: unknown): Preprocessing {
  const parsed = parsePreprocessing(value);
  if (!isFault(parsed)) return parsed;
  throw new NeonsenseError('ERR_MODEL_FORMAT', `In the metadata: ${faultText(parsed, 'preprocessing')}`);
}

function decodeConfidence(value: unknown, labels: readonly string[]): Confidence {
  if (!isObject(value)) throw wrong('confidence', 'an object', value);
  const { temperature, rejectBelow, rejectClass, ...rest } = value;
  const [surplus] = Object.keys(rest);
  if (surplus !== undefined) throw wrong('confidence', 'only temperature, rejectBelow and rejectClass', surplus);
  if (!isFiniteNumber(temperature) || !(temperature > 0)) {
    throw wrong('confidence.temperature', 'a finite number above 0', temperature);
  }
  if (rejectBelow !== undefined && !(isFiniteNumber(rejectBelow) && rejectBelow >= 0 && rejectBelow < 1)) {
    throw wrong('confidence.rejectBelow', 'a number from 0 up to but not including 1', rejectBelow);
  }
  if (rejectClass !== undefined) checkRejectClass(rejectClass, labels);
  return {
    temperature,
    ...(rejectBelow === undefined ? {} : { rejectBelow }),
    ...(rejectClass === undefined ? {} : { rejectClass }),
  };
}

function checkRejectClass(value: unknown, labels: readonly string[]): asserts value is string {
  if (typeof value !== 'string' || labels.filter((label) => label === value).length !== 1 || labels.length < 2) {
    throw wrong('confidence.rejectClass', 'a label that one of at least two classes has', value);
  }
}

function decodeQuantization(value: unknown): QuantizationScheme {
  if (!isObject(value)) throw wrong('quantization', 'an object', value);
  if (value['mode'] === 'dynamic') {
    const scope = value['scope'];
    if (scope !== 'linear' && scope !== 'all') throw wrong('quantization.scope', 'linear or all', scope);
    return { mode: 'dynamic', scope };
  }
  if (value['mode'] !== 'static') throw wrong('quantization.mode', 'dynamic or static', value['mode']);
  const { activations, values } = value;
  if (activations !== 'qs8' && activations !== 'qu8')
    throw wrong('quantization.activations', 'qs8 or qu8', activations);
  if (!isObject(values)) throw wrong('quantization.values', 'an object', values);
  const lowest = activations === 'qs8' ? -128 : 0;
  return {
    mode: 'static',
    activations,
    values: new Map(
      Object.entries(values).map(([name, entry]) => [name, decodeValue(entry, `quantization.values.${name}`, lowest)]),
    ),
  };
}

function decodeValue(entry: unknown, key: string, lowest: number): Quantization {
  if (!isObject(entry)) throw wrong(key, 'an object', entry);
  const { scale, zeroPoint } = entry;
  if (!isFiniteNumber(scale) || !(scale > 0)) throw wrong(`${key}.scale`, 'a number above 0', scale);
  if (!isInteger(zeroPoint, lowest, lowest + 255)) {
    throw wrong(`${key}.zeroPoint`, `a whole number from ${lowest} to ${lowest + 255}`, zeroPoint);
  }
  return { scale, zeroPoint };
}

function decodeProvenance(value: unknown): readonly ProvenanceStep[] {
  if (!Array.isArray(value)) throw wrong('provenance', 'a list of steps', value);
  return value.map((entry: unknown, index) => {
    if (!isObject(entry) || typeof entry['step'] !== 'string' || !isObject(entry['details'])) {
      throw wrong(`provenance[${index}]`, 'an object with step and details', entry);
    }
    return { step: entry['step'], details: entry['details'] };
  });
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isInteger(value: unknown, lowest: number, highest: number): value is number {
  return Number.isInteger(value) && (value as number) >= lowest && (value as number) <= highest;
}

function wrong(key: string, expected: string, received: unknown): NeonsenseError {
  return new NeonsenseError(
    'ERR_MODEL_FORMAT',
    `Expected ${expected} for the metadata key ${key} but found ${describe(received)}`,
  );
}
