import { describe, examined, invalidArgument, NeonsenseError, quoted, shortened } from '../errors.js';
import { BLOCK_TEMPLATES } from './architecture.js';
import type { BatchNorm, Layer, Model, Precision, Translations, Weights } from './model.js';
import type { LayerSpec } from './network.js';
import { layerSpecs } from './network.js';
import { faultText, isFault, parsePreprocessing } from './preprocessing.js';
import { elementCount, firstNotFinite } from './weights.js';

/**
 * Arrays whose numbers were found usable. A model is never changed in place, and models that were made of one another
 * share most arrays: each is looked through once, however many stages and sessions take it.
 */
const usable = new WeakSet<ArrayBufferView>();

/** Takes it on trust that a layer's numbers are usable, where `lower` and the engine will look before they use them. */
export function leaveUnchecked({ weights, bias, batchNorm }: Layer): void {
  usable.add(weights.data);
  if (weights.type === 'i8') usable.add(weights.scales);
  if (bias !== undefined) usable.add(bias);
  if (batchNorm !== undefined) for (const part of Object.values(batchNorm)) usable.add(part);
}

const PRECISIONS: readonly Precision[] = ['fp32', 'fp16', 'int8-dynamic', 'int8-static'];

/**
 * What `look` finds in a model, which may be anything.
 *
 * @throws {NeonsenseError} what `look` throws on purpose, else `ERR_INVALID_ARGUMENT`
 */
export function examinedModel<T>(model: Model, look: () => T, name = 'model'): T {
  return examined(name, 'a Model, as readModel gives it,', model, look);
}

/**
 * Checks what the types cannot say: every layer is there, each array has the length its layer needs, every number can
 * be computed with, and the labels, the precision and the weights fit each other.
 *
 * @param name how messages call the model
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` naming the layer and what is wrong with it, `ERR_MODEL_FORMAT` for
 * its preprocessing, `ERR_INVALID_ARGUMENT` for what is no model at all.
 */
export function checkModel(model: Model, name = 'model'): void {
  examinedModel(model, () => checkParts(model, name), name);
}

function checkParts(model: Model, name: string): void {
  const { name: network } = model.architecture;
  if (!Object.hasOwn(BLOCK_TEMPLATES, network)) {
    throw invalidArgument(`${name}.architecture.name`, Object.keys(BLOCK_TEMPLATES).join(' or '), network);
  }
  const plain = (value: unknown): boolean => typeof value !== 'object' && typeof value !== 'function';
  const odd = model.architecture.blocks.findIndex((block) => !Object.values(block).every(plain));
  if (odd >= 0) throw unfit(`block ${odd} of its architecture has parts that are no numbers`);
  const specs = layerSpecs(model.architecture);
  if (model.labels.length !== model.architecture.classes) {
    throw unfit(`it has ${model.labels.length} labels for ${shortened(String(model.architecture.classes))} classes`);
  }
  if (model.translations !== undefined) checkTranslations(model.translations, model.architecture.classes);
  const missing = specs.find(({ name }) => !model.layers.has(name));
  if (missing !== undefined || model.layers.size !== specs.length) {
    const which = missing === undefined ? '' : `: layer ${missing.name} is missing`;
    throw unfit(`it has ${model.layers.size} layers, ${model.architecture.name} has ${specs.length}${which}`);
  }
  if (!model.labels.every((label) => typeof label === 'string')) throw unfit('a label is no text');
  const parsed = parsePreprocessing(model.preprocessing);
  if (isFault(parsed)) throw new NeonsenseError('ERR_MODEL_FORMAT', faultText(parsed, `${name}.preprocessing`));
  if (!PRECISIONS.includes(model.precision)) {
    throw invalidArgument(`${name}.precision`, `one of ${PRECISIONS.join(', ')}`, model.precision);
  }
  if (!Array.isArray(model.provenance)) throw unfit('its provenance is no list of steps');
  for (const spec of specs) {
    const layer = model.layers.get(spec.name)!;
    checkLayer(layer, spec);
    checkPrecision(layer.weights, spec, model);
  }
}

/**
 * Checks names in other languages, whoever brings them.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE`
 */
export function checkTranslations(translations: unknown, classes: number): asserts translations is Translations {
  if (typeof translations !== 'object' || translations === null || Array.isArray(translations)) {
    throw unfit(`its translations are ${describe(translations)} instead of lists of names by language`);
  }
  for (const [language, names] of Object.entries(translations) as [string, unknown][]) {
    if (!LANGUAGE.test(language))
      throw unfit(`it has translations into ${quoted(language, 80)}, which is no language tag`);
    if (!Array.isArray(names) || names.length !== classes || !names.every((name) => typeof name === 'string')) {
      throw unfit(`its translation into ${language} is not ${classes} names, one for each class`);
    }
  }
}

/** The form of a BCP 47 tag. */
const LANGUAGE = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}$/;

function checkLayer(layer: Layer, spec: LayerSpec): void {
  const channels = spec.shape[0] ?? 0;
  checkWeights(layer.weights, spec);
  if ((layer.bias === undefined) === (layer.batchNorm === undefined)) {
    throw unfit(`layer ${spec.name} needs either a bias or a batch norm`);
  }
  if (layer.bias !== undefined) checkNumbers(layer.bias, channels, `${spec.name}.bias`);
  if (layer.batchNorm !== undefined) {
    if (spec.batchNorm === undefined) throw unfit(`layer ${spec.name} is followed by no batch norm`);
    checkBatchNorm(layer.batchNorm, channels, spec.batchNorm);
  }
}

function checkBatchNorm(batchNorm: BatchNorm, channels: number, name: string): void {
  checkNumbers(batchNorm.weight, channels, `${name}.weight`);
  checkNumbers(batchNorm.bias, channels, `${name}.bias`);
  checkNumbers(batchNorm.mean, channels, `${name}.running_mean`);
  checkNumbers(batchNorm.variance, channels, `${name}.running_var`, (values) => {
    const index = values.findIndex((variance) => variance < 0);
    return index < 0 ? undefined : `negative (${values[index]}) at index ${index}`;
  });
}

function checkWeights(weights: Weights, spec: LayerSpec): void {
  const name = `${spec.name}.weight`;
  const expected = elementCount(spec.shape);
  if (weights.data.length !== expected)
    throw unfit(`${name} has ${weights.data.length} elements instead of ${expected}`);
  switch (weights.type) {
    case 'f32':
      checkNumbers(weights.data, expected, name);
      break;
    case 'f16':
      lookThrough(weights.data, name, (bits) => {
        const index = bits.findIndex((half) => (half & 0x7c00) === 0x7c00);
        return index < 0 ? undefined : `not finite at index ${index}`;
      });
      break;
    case 'i8': {
      const { scales } = weights;
      const channels = spec.shape[0] ?? 0;
      if (scales.length !== 1 && scales.length !== channels) {
        throw unfit(`${name} has ${scales.length} scales instead of 1 or ${channels}`);
      }
      lookThrough(scales, name, () => {
        for (let i = 0; i < scales.length; i++) checkScale(scales[i]!, name);
        return undefined;
      });
      break;
    }
    case 'u8':
      checkScale(weights.scale, name);
      if (!Number.isInteger(weights.zeroPoint) || weights.zeroPoint < 0 || weights.zeroPoint > 255) {
        throw unfit(`${name} has the zero point ${describe(weights.zeroPoint)}, not a whole number from 0 to 255`);
      }
  }
}

function checkScale(scale: number, name: string): void {
  if (!(scale > 0 && scale < Infinity))
    throw unfit(`${name} has the scale ${describe(scale)}, not a finite number above 0`);
}

/** @param problemOf what else may be wrong with the numbers, in the form of "is ..." */
function checkNumbers(
  values: Float32Array,
  length: number,
  name: string,
  problemOf: (values: Float32Array) => string | undefined = () => undefined,
): void {
  if (values.length !== length) throw unfit(`${name} has ${values.length} elements instead of ${length}`);
  lookThrough(values, name, () => {
    const index = firstNotFinite(values);
    if (index < 0) return problemOf(values);
    return `${values[index]} at index ${index}; the training run that made these weights has probably diverged`;
  });
}

function lookThrough<T extends ArrayBufferView>(
  values: T,
  name: string,
  problemOf: (values: T) => string | undefined,
): void {
  if (usable.has(values)) return;
  const problem = problemOf(values);
  if (problem !== undefined) throw unfit(`${name} is ${problem}`);
  usable.add(values);
}

function checkPrecision(weights: Weights, spec: LayerSpec, { precision }: Model): void {
  const { type } = weights;
  const fits = type === 'f32' || (precision === 'fp16' ? type === 'f16' : precision !== 'fp32');
  if (!fits)
    throw unfit(
      `layer ${spec.name} has ${shortened(String(type))} weights, which precision ${precision} does not allow`,
    );
}

function unfit(what: string): NeonsenseError {
  return new NeonsenseError('ERR_MODEL_ARCHITECTURE', `The model cannot be used: ${what}`);
}
