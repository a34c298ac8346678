import { examined, invalidArgument } from '../errors.js';
import { examinedModel } from '../model/checkModel.js';
import type { Model } from '../model/model.js';

/** Temperatures outside these say that the data do not settle the question, not how sure the model is. */
const LEAST = 0.01;
const LARGEST = 100;

/** Halvings of the range; each gives one bit, and a double has no more to give. */
const HALVINGS = 60;

/**
 * The temperature under which `softmax(logits / temperature)` fits the labels best: temperature scaling of Guo et al.
 * 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599), section 4.2. It minimises the mean negative
 * log-likelihood, which is convex in `1 / temperature`, by bisection of its derivative; the order of the classes stays as
 * it is. Use pictures the model was not trained on: on those it was, it looks surer than it should be.
 *
 * @param logits `[images][classes]`
 * @param labels index of the right class of each
 * @returns a number from 0.01 to 100; an end of that range where the likelihood still rises there, as it does when
 *   every picture is classified rightly
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for no pictures, labels that are no classes, or logits that are not finite
 */
export function fitTemperature(logits: readonly ArrayLike<number>[], labels: ArrayLike<number>): number {
  return examined('logits', 'an array of logits for each picture, beside `labels`,', logits, () =>
    fitted(logits, labels),
  );
}

function fitted(logits: readonly ArrayLike<number>[], labels: ArrayLike<number>): number {
  if (logits.length === 0 || logits.length !== labels.length) {
    throw invalidArgument(
      'labels',
      `one label for each of at least one picture (${logits.length} here)`,
      labels.length,
    );
  }
  logits.forEach((row, image) => {
    const label = labels[image]!;
    if (!(Number.isInteger(label) && label >= 0 && label < row.length)) {
      throw invalidArgument(`labels[${image}]`, `a class from 0 to ${row.length - 1}`, label);
    }
    if (!Array.prototype.every.call(row, Number.isFinite)) {
      throw invalidArgument(
        `logits[${image}]`,
        'finite numbers',
        Array.from(row).find((x) => !Number.isFinite(x)),
      );
    }
  });
  // Bisection in the logarithm, so that both ends are searched to the same relative precision.
  let low = Math.log(1 / LARGEST);
  let high = Math.log(1 / LEAST);
  if (slope(logits, labels, Math.exp(low)) >= 0) return LARGEST;
  if (slope(logits, labels, Math.exp(high)) <= 0) return LEAST;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (slope(logits, labels, Math.exp(middle)) > 0) high = middle;
    else low = middle;
  }
  return Math.exp(-(low + high) / 2);
}

/**
 * The model with a temperature that was fitted to some pictures. A threshold fitted for another temperature would mean
 * something else, so it goes; which class rejects does not depend on it.
 *
 * @param images how many pictures it was fitted to, for the model's provenance
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function withTemperature(model: Model, temperature: number, images: number): Model {
  if (!(Number.isFinite(temperature) && temperature > 0)) {
    throw invalidArgument('temperature', 'a finite number above 0', temperature);
  }
  if (!Number.isSafeInteger(images)) throw invalidArgument('images', 'a whole number', images);
  return examinedModel(model, () => tempered(model, temperature, images));
}

function tempered(model: Model, temperature: number, images: number): Model {
  const step = { step: 'fit-temperature', details: { images } };
  const { rejectClass } = model.confidence ?? {};
  const confidence = { temperature, ...(rejectClass === undefined ? {} : { rejectClass }) };
  return { ...model, confidence, provenance: [...model.provenance, step] };
}

/** Derivative of the summed negative log-likelihood by the inverse temperature: expected logits minus those of the labels. */
function slope(logits: readonly ArrayLike<number>[], labels: ArrayLike<number>, inverse: number): number {
  let total = 0;
  logits.forEach((row, image) => {
    let largest = -Infinity;
    for (let c = 0; c < row.length; c++) largest = Math.max(largest, row[c]!);
    let sum = 0;
    let expected = 0;
    for (let c = 0; c < row.length; c++) {
      const weight = Math.exp((row[c]! - largest) * inverse);
      sum += weight;
      expected += weight * (row[c]! - largest);
    }
    total += expected / sum - (row[labels[image]!]! - largest);
  });
  return total;
}
