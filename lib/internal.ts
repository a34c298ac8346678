/**
 * For the programs in scripts/ alone: the public exports, and what they measure and fuzz of lib/ beside them. It is built to
 * dist/internal.cjs, which the package does not carry, and promises nothing to anyone.
 */
export type { BenchRow } from './bench/benchmark.js';
export { benchmark } from './bench/benchmark.js';
export type { Environment } from './bench/environment.js';
export { describeEnvironment } from './bench/environment.js';
export type { OnnxRuntime } from './bench/onnxRuntime.js';
export { prepareOnnx } from './bench/onnxRuntime.js';
export { formatRows, table } from './bench/output.js';
export type { RunTrial } from './bench/runTrial.js';
export { runTrial, trialRunner } from './bench/runTrial.js';
export type { RatioInterval } from './bench/statistics.js';
export { bootstrapRatio } from './bench/statistics.js';
export type { Peer, Subject } from './bench/subjects.js';
export { findPeer, prepareSubjects } from './bench/subjects.js';
export { planes, runAsTrial } from './bench/trialProcess.js';
export { checkTrialResult } from './bench/trialSchema.js';
export type { TrialResult, TrialSpec } from './bench/trialSpec.js';
export { inSinglePrecision } from './compress/quantize/quantizeDynamic.js';
export { trainedRanges } from './compress/quantize/trainedRanges.js';
export { throwIfAborted } from './errors.js';
export { openDataset } from './evaluate/datasets.js';
export type { Predictor } from './evaluate/score.js';
export { scorePredictors } from './evaluate/score.js';
export { Budget } from './files/limits.js';
export { atLeast } from './image/atLeast.js';
export { decodeImage } from './image/decode.js';
export { checkImageFormat } from './image/format.js';
export { withEndMarker } from './image/jpegEnd.js';
export { checkTiff } from './image/tiff.js';
export * from './index.js';
export { readRemembered } from './learn/rememberedFile.js';
export { toOnnx } from './model/export/onnx.js';
export { readPickle } from './model/import/torch/pickle.js';
export { torchRules } from './model/import/torch/rules.js';
export { readZip } from './model/import/torch/zip.js';
export { inspectModel } from './model/inspect.js';
export { macsOf, networkOf } from './model/network.js';
export { PRESETS, preprocessingFrom } from './model/preprocessing.js';
export { median } from './numbers/quantile.js';
export { packageRoot } from './package.js';
export { lower } from './plan/lower.js';
export type { PlanLayer, WeightedLayer } from './plan/plan.js';
export { encodePlan } from './plan/planBytes.js';
export { checkManifest } from './shipped/manifestSchema.js';
export { chooseByMeasurement } from './shipped/measureVariants.js';
export { selfTestLogits } from './shipped/selfTest.js';
