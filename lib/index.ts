import type { DoctorReport } from './doctor/doctor.js';
import { checkModel, examinedModel } from './model/checkModel.js';
import type { Model } from './model/model.js';

export type {
  BatchOptions,
  CanvasPixels,
  Classification,
  ClassifierOptions,
  ClassifyOptions,
  FailedClassification,
  ImageInput,
  Prediction,
  SharpOutput,
} from './classify/classifier.js';
export { Classifier } from './classify/classifier.js';
export type { StreamOptions, StreamResult } from './classify/classifyStream.js';
export type { DoctorReport, ModelReport } from './doctor/doctor.js';
export type { ErrorCode } from './errors.js';
export { NeonsenseError } from './errors.js';
export type { Frame, PixelFormat, Pixels, Region } from './image/pixels.js';
export type { Architecture, Block } from './model/architecture.js';
export type { ReadModelOptions } from './model/files.js';
export { encodeModel, writeModel } from './model/files.js';
export type { LayerSummary, ModelSummary } from './model/inspect.js';
export { inspectModel } from './model/inspect.js';
export type {
  BatchNorm,
  Confidence,
  Layer,
  Model,
  Precision,
  Preprocessing,
  ProvenanceStep,
  Quantization,
  QuantizationScheme,
  Translations,
  Weights,
} from './model/model.js';
export type { PreprocessingPreset } from './model/preprocessing.js';
export type { OperatorTime } from './runtime/binding.js';
export { preprocess } from './runtime/preprocess.js';
export type { ImageRun, RunOptions, Session, SessionOptions, TensorMetadata } from './runtime/session.js';
export { createSession } from './runtime/session.js';
export type { VariantChoice } from './shipped/chooseVariant.js';
export { readModel } from './shipped/readModel.js';
export type { SmoothingOptions } from './stream/smoothing.js';

/**
 * `model` as an ONNX file (opset 13, float32, batch norm folded, input `[N, 3, H, W]`) for other runtimes. int8 and
 * half-precision weights are written as the float32 numbers they stand for.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` for a model that does not hold together
 */
export async function toOnnx(model: Model): Promise<Uint8Array> {
  const { toOnnx: encode } = await import('./model/export/onnx.js');
  checkModel(model);
  return examinedModel(model, () => encode(model));
}

/**
 * Examines machine, addon, models and picture decoder, and tries every precision, as `neonsense doctor` does; but in
 * this process, which a binary for another CPU would end. Never throws for what it finds.
 */
export async function diagnose(): Promise<DoctorReport> {
  const { diagnose: examine } = await import('./doctor/doctor.js');
  return examine();
}
