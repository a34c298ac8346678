import { invalidArgument, NeonsenseError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';
import type { Model } from '../model/model.js';
import { layerSpecs } from '../model/network.js';

/**
 * Refuses weights, biases or batch norm statistics that are NaN or infinite: no compression can be right about them.
 *
 * @throws NeonsenseError `ERR_MODEL_ARCHITECTURE` naming the layer, the array and the element
 */
export function requireFiniteWeights(model: Model): void {
  for (const [name, layer] of model.layers) {
    const arrays: [string, Float32Array | undefined][] = [
      ['weights', layer.weights.type === 'f32' ? layer.weights.data : undefined],
      ['scales', layer.weights.type === 'i8' ? layer.weights.scales : undefined],
      ['bias', layer.bias],
      ['batch norm weight', layer.batchNorm?.weight],
      ['batch norm bias', layer.batchNorm?.bias],
      ['batch norm mean', layer.batchNorm?.mean],
      ['batch norm variance', layer.batchNorm?.variance],
    ];
    for (const [what, values] of arrays) {
      const index = values === undefined ? -1 : indexOfNonFinite(values);
      if (index >= 0) {
        throw new NeonsenseError(
          'ERR_MODEL_ARCHITECTURE',
          `Layer ${name} has ${values![index]} in its ${what} (element ${index}): finite numbers are expected; ` +
            'the training run that made this checkpoint has probably diverged',
        );
      }
    }
    if (layer.weights.type === 'f16') {
      const index = layer.weights.data.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
      if (index >= 0) {
        throw new NeonsenseError(
          'ERR_MODEL_ARCHITECTURE',
          `Layer ${name} has a NaN or an infinity in its weights (element ${index}): finite numbers are expected`,
        );
      }
    }
  }
}

/** Index of the first NaN or infinity, -1 where there is none. */
function indexOfNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i += 1) {
    if (!Number.isFinite(values[i])) return i;
  }
  return -1;
}

/**
 * Refuses a model whose weights are int8 already: each rounding would be of rounded numbers, and the scales of the
 * first would be lost.
 *
 * @param task what was asked for, as a verb phrase
 * @throws NeonsenseError `ERR_UNSUPPORTED`
 */
export function requireFloat(model: Model, task: string): void {
  if (model.quantization !== undefined || model.precision === 'int8-dynamic' || model.precision === 'int8-static') {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `Can't ${task}: the model is ${model.precision} already. Start from the FP32 model it was made from`,
    );
  }
}

/**
 * Refuses a list that is not one of names of Conv2d and Linear layers.
 *
 * @param argument what the list is called
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function requireLayerNames(argument: string, names: unknown, architecture: Architecture): void {
  if (!Array.isArray(names)) throw invalidArgument(argument, 'an array of layer names', names);
  const known = layerSpecs(architecture).map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) {
      throw invalidArgument(argument, `names of layers, such as ${known[1]} or ${known.at(-1)},`, name);
    }
  }
}
