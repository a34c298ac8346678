import type { Architecture } from '../../model/architecture.js';
import { foldModel } from '../../model/foldBatchNorm.js';
import type { Layer, Model, Quantization } from '../../model/model.js';
import { layerNodes, layerSpecs, type Network, type NetworkNode, networkOf } from '../../model/network.js';
import { toFloat32 } from '../../model/weights.js';
import { calibrate, type ObserveModel } from '../calibrate/calibrate.js';
import type { CalibrationSet } from '../calibrate/calibrationSet.js';
import {
  chooseRange,
  type ObserverKind,
  quantizationOf,
  type Range,
  type ValueObserver,
} from '../calibrate/observers.js';
import { correctBias } from '../repair/biasCorrection.js';
import { equalizeCalibrated } from '../repair/equalizeCalibrated.js';
import { inSinglePrecision } from './fp16.js';
import { isPointwise, narrowLayers } from './quantizeDynamic.js';
import { quantizePerChannel, quantizePerTensorUnsigned } from './quantizeWeights.js';
import { chooseKeepFloat, type KeepFloatSearch, type KeepFloatTarget, type RunModel } from './sensitivity.js';
import { fitRanges } from './staticRanges.js';
import { type TrainedRanges, trainedRanges } from './trainedRanges.js';

/** Options of `quantizeStatic`. */
export interface QuantizeStaticOptions {
  /**
   * Preprocessed pictures, `[1, H, W, 3]` each; 100 or more of the kind the model will see. Not needed beside `ranges`,
   * unless biases are corrected or layers searched for.
   */
  readonly calibration: CalibrationSet | undefined;
  /** Runs the model and shows its intermediate values. */
  readonly observe: ObserveModel;
  /**
   * Ranges that the model was trained with (quantization-aware training). They are taken as they are; `observer` and
   * `percentile` have no say then, and equalization and bias correction are off unless asked for: the weights are used to
   * these ranges already.
   */
  readonly ranges?: TrainedRanges | undefined;
  /** How ranges are chosen from what calibration saw. Default `mse`. */
  readonly observer?: ObserverKind | undefined;
  /** For observer `percentile`: how much of the numbers lies below the upper end, in percent. Default 99.99. */
  readonly percentile?: number | undefined;
  /**
   * Layers whose weights stay in float, by name. `sensitive` takes those that experience says (see `sensitiveLayers`),
   * `auto` searches for those that hurt most in this network. Default none.
   */
  readonly keepFloat?: readonly string[] | 'sensitive' | 'auto' | undefined;
  /** When `keepFloat: 'auto'` may stop, and the run it measures with. */
  readonly search?: (KeepFloatTarget & { readonly run: RunModel }) | undefined;
  /**
   * `qs8` (the default): int8 activations, one weight scale for each output channel. `qu8`: uint8 activations and
   * weights, one scale and zero point for each tensor, as QNNPACK runs.
   */
  readonly activations?: 'qs8' | 'qu8' | undefined;
  /** Cross-layer equalization. Default true; not with `ranges`. */
  readonly equalize?: boolean | undefined;
  /** Correct biases for the average error of rounded weights. Default true, beside `ranges` false. */
  readonly biasCorrection?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called as the search proceeds. */
  readonly onProgress?: ((what: string, done: number, total: number) => void) | undefined;
}

/** What static quantization found and chose. */
export interface QuantizeStaticReport {
  /** Each quantized value: what was seen and what is kept. */
  readonly values: readonly {
    readonly name: string;
    /** Absent where ranges were given and nothing was looked at. */
    readonly seen?: Range;
    readonly kept: Range;
    readonly scale: number;
    readonly zeroPoint: number;
  }[];
  /** Layers left in float. */
  readonly keepFloat: readonly string[];
  /** How they were found, where `keepFloat` was `auto`. */
  readonly search?: KeepFloatSearch;
}

/** Quantizes a checked float model as checked options say. */
export async function toInt8Static(
  model: Model,
  options: QuantizeStaticOptions,
): Promise<{ model: Model; float: Model; report: QuantizeStaticReport }> {
  const { observer = 'mse', percentile = 99.99, keepFloat = [], activations = 'qs8', ranges, signal } = options;
  const calibration = options.calibration ?? ([] as readonly Float32Array[] as CalibrationSet);
  const equalizes = options.equalize ?? ranges === undefined;
  const correctsBias = options.biasCorrection ?? ranges === undefined;
  const network = networkOf(model.architecture, model.preprocessing.size);
  const { nodes } = network;
  const trained = ranges === undefined ? undefined : trainedRanges(ranges, { ...model, name: 'options' }, activations);
  const names = layerSpecs(model.architecture).map(({ name }) => name);
  const named = keepFloat === 'sensitive' ? sensitiveLayers(model.architecture) : keepFloat;
  const looks = trained === undefined || correctsBias;

  const observed = (float: Model) =>
    calibrate(float, calibration, options.observe, signal, (done, total) =>
      options.onProgress?.('pictures calibrated', done, total),
    );
  let float = foldModel(inSinglePrecision(model));
  let observers = new Map<string, ValueObserver>();
  if (equalizes) ({ float, observers } = await equalizeCalibrated(float, observed));
  else if (looks) observers = await observed(float);
  const chosen =
    trained ??
    new Map(
      nodes.map((node) => {
        const range = rangeOf(node, network, observers.get(node.name)!, observer, percentile);
        return [node.name, quantizationOf(range, activations)];
      }),
    );
  const quantizedLayers = quantizeLayers(float, network, chosen, activations, correctsBias ? observers : undefined);

  /** The model with some layers left in float. */
  const assemble = (floatLayers: ReadonlySet<string>): Model => {
    const layers = new Map<string, Layer>();
    for (const name of names) {
      layers.set(name, floatLayers.has(name) ? float.layers.get(name)! : quantizedLayers.get(name)!);
    }
    const needed = quantizedValues(nodes, floatLayers);
    const values = fitRanges(nodes, layers, new Map([...chosen].filter(([name]) => needed.has(name))));
    return {
      ...model,
      precision: 'int8-static',
      quantization: { mode: 'static', activations, values },
      layers,
    };
  };

  let search: KeepFloatSearch | undefined;
  let kept = new Set(named === 'auto' ? [] : named);
  if (named === 'auto') {
    search = await chooseKeepFloat(float, assemble, names, calibration, options.search!, {
      signal,
      onProgress: options.onProgress,
    });
    kept = new Set(search.keepFloat);
  }
  const result = assemble(kept);
  const scheme = result.quantization;
  const step = {
    step: 'quantize-static',
    details: {
      activations,
      ...(trained === undefined ? { observer } : { ranges: 'trained' }),
      ...(trained === undefined && observer === 'percentile' ? { percentile } : {}),
      ...(looks ? { calibrationImages: calibration.length } : {}),
      equalize: equalizes,
      biasCorrection: correctsBias,
      keepFloat: [...kept],
    },
  };
  return {
    model: { ...result, provenance: [...model.provenance, step] },
    float,
    report: {
      values: [...(scheme?.mode === 'static' ? scheme.values : [])].map(([name, { scale, zeroPoint }]) => {
        const lowest = activations === 'qs8' ? -128 : 0;
        const seen = observers.get(name);
        return {
          name,
          ...(seen === undefined ? {} : { seen: { min: seen.min, max: seen.max } }),
          kept: { min: scale * (lowest - zeroPoint), max: scale * (lowest + 255 - zeroPoint) },
          scale,
          zeroPoint,
        };
      }),
      keepFloat: [...kept],
      ...(search === undefined ? {} : { search }),
    },
  };
}

/**
 * The layers that lose most in 8 bits and gain least: the stem, every depthwise convolution, and the 1x1 convolutions
 * with at most 16 inputs. They see the widest activations with the fewest numbers to average errors over, and hold 3 %
 * of the weights. In two MobileNetV3-Small checkpoints a network quantized but for these lost nothing (top-1 90.5 % of
 * 90.4 %, 86.1 % of 86.0 %), quantized throughout it fell to 75 % and below; XNNPACK's depthwise kernels on x64 are no
 * faster in int8 than in float.
 */
export function sensitiveLayers(architecture: Architecture): string[] {
  const narrow = narrowLayers(architecture);
  return layerSpecs(architecture)
    .filter((spec) => !isPointwise(spec) || narrow.includes(spec.name))
    .map(({ name }) => name);
}

/** A value's range, with what is known about who makes and who reads it. */
function rangeOf(
  node: NetworkNode,
  { outputs }: Network,
  observer: ValueObserver,
  kind: ObserverKind,
  percentile: number,
): Range {
  // The logits decide by their largest, so nothing of them is clipped.
  if (node.name === outputs.get('logits')) return chooseRange(observer, 'minmax');
  const floor = node.operator === 'layer' && node.spec.activation === 'hard-swish' ? -3 : -Infinity;
  return chooseRange(observer, kind, percentile, floor);
}

/** Biases are int32 in the engine; half of that range leaves room for the sum they start. */
const LARGEST_BIAS = 2 ** 30;

/**
 * Every layer with quantized weights.
 *
 * @param observers of the values, for bias correction; none where biases stay as they are
 */
function quantizeLayers(
  float: Model,
  network: Network,
  values: ReadonlyMap<string, Quantization>,
  activations: 'qs8' | 'qu8',
  observers: ReadonlyMap<string, ValueObserver> | undefined,
): Map<string, Layer> {
  const quantized = new Map<string, Layer>();
  for (const { name, spec, inputs } of layerNodes(network)) {
    const original = float.layers.get(name)!;
    const real = toFloat32(original.weights);
    const inputScale = values.get(inputs[0]!)!.scale;
    // The unit of the bias is input scale times weight scale: tiny weights beside a large bias need a coarser scale.
    // Hard-sigmoid is folded into its layer as (x + 3) / 6, hence the 3.
    const least = (o: number) => {
      const bias = Math.abs(original.bias?.[o] ?? 0) + (spec.activation === 'hard-sigmoid' ? 3 : 0);
      return bias / (LARGEST_BIAS * inputScale);
    };
    const channels = spec.shape[0]!;
    const weights =
      activations === 'qs8'
        ? quantizePerChannel(real, channels, least)
        : quantizePerTensorUnsigned(real, Math.max(...Array.from({ length: channels }, (_, o) => least(o))));
    const layer = { ...original, weights };
    quantized.set(
      name,
      observers === undefined ? layer : correctBias(original, layer, spec, observers.get(inputs[0]!)!.channelMeans()),
    );
  }
  return quantized;
}

/**
 * Names of the values that are quantized somewhere: what a quantized layer writes or reads, and, between two such,
 * everything an operator without weights makes.
 */
export function quantizedValues(nodes: readonly NetworkNode[], floatLayers: ReadonlySet<string>): Set<string> {
  const needed = new Set<string>();
  for (const node of [...nodes].reverse()) {
    const quantizedLayer = node.operator === 'layer' && !floatLayers.has(node.name);
    if (quantizedLayer) needed.add(node.name);
    const readsQuantized = node.operator === 'layer' ? quantizedLayer : needed.has(node.name);
    if (readsQuantized) for (const input of node.inputs) needed.add(input);
  }
  return needed;
}
