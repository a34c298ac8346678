import { NeonsenseError, throwIfAborted } from '../../errors.js';
import type { Layer, Model } from '../../model/model.js';
import { type LayerNode, layerNodes, layerSpecs, type NetworkNode, networkOf } from '../../model/network.js';
import { elementCount, toFloat32 } from '../../model/weights.js';
import { solveInPlace } from '../../numbers/cholesky.js';
import { type ObserveModel, observing } from '../calibrate/calibrate.js';
import { type CentredMoments, InputMoments } from './inputMoments.js';
import type { RepairOptions } from './recalibrate.js';

/** Samples for each unknown of a layer, and the fewest places of one picture to take them from. */
const SAMPLES_PER_UNKNOWN = 12;
const FEWEST_PLACES = 8;

/**
 * How strongly weights may be held to those of the reference, as a share of the mean variance of a layer's inputs. The
 * last is as good as leaving them. Which one a layer gets is tried out on pictures kept back from the fit.
 */
const DAMPINGS = [1e-3, 1e-2, 0.1, 1, 10, 1000];
/** Every so many-th picture is kept back, if there are as many. */
const KEPT_BACK = 4;
/** Output channels a damping is tried out on. */
const TRIED_CHANNELS = 16;

/**
 * Solves for the weights and biases of a checked FP32 model.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` when the two models differ in shape or precision, `ERR_ABORTED`
 */
export async function solveForWeights(model: Model, options: RepairOptions): Promise<Model> {
  const { reference, calibration, observe, signal, onProgress } = options;
  requireSameShapes(model, reference);

  const network = networkOf(model.architecture, model.preprocessing.size);
  const nodes = new Map(network.nodes.map((node) => [node.name, node]));
  const steps = layerNodes(network);
  const layers = new Map(model.layers);
  let result: Model = { ...model, layers };
  for (const [done, layer] of steps.entries()) {
    throwIfAborted(signal);
    onProgress?.(done, steps.length);
    const { name } = layer;
    const input = nodes.get(layer.inputs[0]!)!;
    const sampler = new InputSampler(layer, input.shape, calibration.length);
    const fit = new InputMoments(sampler.groups, sampler.size);
    const check = new InputMoments(sampler.groups, sampler.size);
    const seen = (by: Model) => valuesOf(input, by, calibration, observe);
    await forEachPair(seen(result), seen(reference), (values, intact, index) => {
      throwIfAborted(signal);
      sampler.sample(values, intact, index, keptBack(index) ? check : fit);
    });
    layers.set(name, solveLayer(layers.get(name)!, reference.layers.get(name)!, fit, check));
    result = { ...model, layers: new Map(layers) };
  }
  onProgress?.(steps.length, steps.length);
  const step = { step: 'reconstruct', details: { calibrationImages: calibration.length } };
  return { ...result, provenance: [...model.provenance, step] };
}

/** The value of `node` for each picture, which is the picture itself for the network's input. */
async function* valuesOf(
  { name, operator }: NetworkNode,
  model: Model,
  pictures: readonly Float32Array[],
  observe: ObserveModel,
): AsyncIterable<Float32Array> {
  if (operator === 'input') yield* pictures;
  else for await (const values of observing(observe, model, [name], pictures)) yield values[name]!;
}

function keptBack(index: number): boolean {
  return index % KEPT_BACK === KEPT_BACK - 1;
}

/** The layer with the remaining weights and the bias that come closest to `intact`. Spends the moments. */
function solveLayer(layer: Layer, intact: Layer, fit: InputMoments, check: InputMoments): Layer {
  const current = toFloat32(layer.weights);
  const wanted = toFloat32(intact.weights);
  const { size, groups } = fit;
  const channels = current.length / size;
  const perGroup = channels / groups;
  const rowOf = (weights: Float32Array, o: number): Float32Array => weights.subarray(o * size, (o + 1) * size);
  const groupOf = (o: number): number => Math.floor(o / perGroup);

  let damping = DAMPINGS[2]!;
  if (check.count > 0) {
    const tried = Math.min(channels, TRIED_CHANNELS);
    const rows = Array.from({ length: tried }, (_, i) => Math.floor((i * channels) / tried));
    const errors = new Float64Array(DAMPINGS.length);
    const fitted = momentsByGroup(fit);
    const checked = momentsByGroup(check);
    for (const o of rows) {
      const target = rowOf(wanted, o);
      const known = fitted(groupOf(o));
      DAMPINGS.forEach((candidate, d) => {
        const row = solveRow(rowOf(current, o), target, known, candidate);
        errors[d]! += errorOf(row, target, known, checked(groupOf(o)));
      });
    }
    damping = DAMPINGS[errors.indexOf(errors.reduce((a, b) => Math.min(a, b), Infinity))] ?? damping;
    fit.absorb(check);
  }

  const data = new Float32Array(current.length);
  const shifts = new Float64Array(channels);
  const moments = momentsByGroup(fit);
  for (let o = 0; o < channels; o++) {
    const known = moments(groupOf(o));
    const target = rowOf(wanted, o);
    const row = solveRow(rowOf(current, o), target, known, damping);
    data.set(row, o * size);
    shifts[o] = dot(target, known.referenceMean) - dot(row, known.mean);
  }
  const weights = { type: 'f32', data } as const;
  if (intact.batchNorm === undefined) return { weights, bias: intact.bias!.map((b, o) => b + shifts[o]!) };
  // A constant added before batch norm is one subtracted from its mean.
  return { weights, batchNorm: { ...intact.batchNorm, mean: intact.batchNorm.mean.map((m, o) => m - shifts[o]!) } };
}

/** Moments by group, those of the latest group kept: channels of one group come one after another. */
function momentsByGroup(moments: InputMoments): (group: number) => CentredMoments {
  let latest = -1;
  let centred: CentredMoments;
  return (group) => {
    if (group !== latest) centred = moments.centred(group);
    latest = group;
    return centred;
  };
}

/**
 * Squared error of a row over the samples of `check` as a share of the output's variance there, less what no row can
 * change. The bias is that of the means of `fit`.
 */
function errorOf(row: Float32Array, wanted: Float32Array, fit: CentredMoments, check: CentredMoments): number {
  const { size, covariance, crossCovariance } = check;
  let own = 0;
  let cross = 0;
  let scale = 0;
  for (let i = 0; i < size; i++) {
    let a = 0;
    let b = 0;
    let c = 0;
    for (let j = 0; j < size; j++) {
      a += covariance[i * size + j]! * row[j]!;
      b += crossCovariance[i * size + j]! * wanted[j]!;
      c += covariance[i * size + j]! * wanted[j]!;
    }
    own += row[i]! * a;
    cross += row[i]! * b;
    scale += wanted[i]! * c;
  }
  const shift =
    dot(row, check.mean) - dot(row, fit.mean) - (dot(wanted, check.referenceMean) - dot(wanted, fit.referenceMean));
  return scale > 0 ? (own - 2 * cross + shift ** 2) / scale : 0;
}

function dot(a: Float32Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function requireSameShapes(model: Model, reference: Model): void {
  const expected = new Map(layerSpecs(reference.architecture).map((spec) => [spec.name, spec.shape.join()]));
  for (const { name, shape } of layerSpecs(model.architecture)) {
    if (expected.get(name) !== shape.join()) {
      throw new NeonsenseError('ERR_UNSUPPORTED', `Layer ${name} has another shape than in the reference model`);
    }
  }
  for (const { precision } of [model, reference]) {
    if (precision !== 'fp32') {
      throw new NeonsenseError('ERR_UNSUPPORTED', `Weights are reconstructed in FP32 but a model is ${precision}`);
    }
  }
}

/** Weights of one output channel, zero where `current` is, of least squared error plus damping. */
function solveRow(
  current: Float32Array,
  wanted: Float32Array,
  { size, covariance, crossCovariance }: CentredMoments,
  damping: number,
): Float32Array {
  const kept: number[] = [];
  current.forEach((w, i) => {
    if (w !== 0) kept.push(i);
  });
  const n = kept.length;
  let trace = 0;
  for (let i = 0; i < size; i++) trace += covariance[i * size + i]!;
  const ridge = (damping * trace) / size;
  const matrix = new Float64Array(n * n);
  const right = new Float64Array(n);
  kept.forEach((i, a) => {
    for (let b = 0; b <= a; b++) matrix[a * n + b] = covariance[i * size + kept[b]!]!;
    matrix[a * n + a]! += ridge;
    let sum = ridge * wanted[i]!;
    for (let j = 0; j < size; j++) sum += crossCovariance[i * size + j]! * wanted[j]!;
    right[a] = sum;
  });
  const row = new Float32Array(size);
  // Inputs that never vary leave nothing to solve for.
  if (!(ridge > 0) || !solveInPlace(matrix, right)) {
    row.set(current);
    return row;
  }
  kept.forEach((i, a) => {
    row[i] = right[a]!;
  });
  return row;
}

/** Takes what a layer multiplies with its weights out of its input, at places spread over each picture. */
class InputSampler {
  readonly groups: number;
  /** Inputs of one output channel, in the order of its weights. */
  readonly size: number;
  readonly #perPicture: number;
  readonly #own: Float64Array;
  readonly #other: Float64Array;
  readonly #layer: LayerNode;
  readonly #input: NetworkNode['shape'];

  /** @param input `[H, W, C]` of what the layer reads */
  constructor(layer: LayerNode, input: NetworkNode['shape'], pictures: number) {
    this.#layer = layer;
    this.#input = input;

    this.groups = layer.spec.groups;
    this.size = elementCount(layer.spec.shape.slice(1));
    const [rows, columns] = layer.shape;
    const wanted = Math.max(FEWEST_PLACES, Math.ceil((SAMPLES_PER_UNKNOWN * this.size) / pictures));
    this.#perPicture = Math.min(rows * columns, wanted);
    this.#own = new Float64Array(this.groups * this.size);
    this.#other = new Float64Array(this.groups * this.size);
  }

  /** @param index of the picture: other pictures are sampled at other places */
  sample(values: Float32Array, intact: Float32Array, index: number, moments: InputMoments): void {
    const [rows, columns] = this.#layer.shape;
    const step = (rows * columns) / this.#perPicture;
    // The golden ratio's multiples fill an interval evenly.
    const offset = (index * 0.6180339887498949) % 1;
    for (let k = 0; k < this.#perPicture; k++) {
      const place = Math.floor((k + offset) * step);
      this.#gather(values, place, this.#own);
      this.#gather(intact, place, this.#other);
      moments.add(this.#own, this.#other);
    }
  }

  /** Copies the inputs of output place `place`, `[groups, size]`; zeros beyond the picture. */
  #gather(values: Float32Array, place: number, into: Float64Array): void {
    const { stride, shape, groups } = this.#layer.spec;
    const [above, , , before] = this.#layer.padding;
    const [rows, columns] = this.#input;
    const channels = groups * shape[1]!;
    const kernelRows = shape[2] ?? 1;
    const kernelColumns = shape[3] ?? 1;
    const area = kernelRows * kernelColumns;
    const top = Math.floor(place / this.#layer.shape[1]) * stride - above;
    const left = (place % this.#layer.shape[1]) * stride - before;
    for (let y = 0; y < kernelRows; y++) {
      for (let x = 0; x < kernelColumns; x++) {
        const inside = top + y >= 0 && top + y < rows && left + x >= 0 && left + x < columns;
        const from = ((top + y) * columns + left + x) * channels;
        // Channel c of the picture is input c % shape[1] of group c / shape[1], so [groups, size] is [channels, area].
        const tap = y * kernelColumns + x;
        for (let c = 0; c < channels; c++) into[c * area + tap] = inside ? values[from + c]! : 0;
      }
    }
  }
}

/** Walks two sequences of the same length side by side, fetching the next pair meanwhile; ends both when one fails. */
async function forEachPair<T>(
  first: AsyncIterable<T>,
  second: AsyncIterable<T>,
  visit: (a: T, b: T, index: number) => void,
): Promise<void> {
  const iterators = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()] as const;
  const fetch = () => Promise.allSettled([iterators[0].next(), iterators[1].next()]);
  let pending = fetch();
  try {
    for (let index = 0; ; index++) {
      const [a, b] = await pending;
      if (a.status === 'rejected') throw a.reason;
      if (b.status === 'rejected') throw b.reason;
      if (a.value.done === true || b.value.done === true) return;
      pending = fetch();
      visit(a.value.value, b.value.value, index);
    }
  } finally {
    await pending;
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
