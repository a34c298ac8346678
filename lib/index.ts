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
export type { ErrorCode } from './errors.js';
export { NeonsenseError } from './errors.js';
export type { Pixels } from './image/pixels.js';
export { preprocess } from './image/preprocess.js';
export type { Architecture, Block } from './model/architecture.js';
export type { ReadModelOptions } from './model/files.js';
export { encodeModel, readModel, writeModel } from './model/files.js';
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
  Weights,
} from './model/model.js';
export type { PreprocessingPreset } from './model/preprocessing.js';
export type { OperatorTime } from './runtime/binding.js';
export type { RunOptions, Session, SessionOptions, TensorMetadata } from './runtime/session.js';
export { createSession } from './runtime/session.js';
export type { VariantChoice } from './shipped/chooseVariant.js';
export type { SmoothingOptions } from './stream/smoothing.js';
