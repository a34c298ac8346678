export type { CompressStage, StageOutcome } from '../compress/pipeline.js';
export type { PruneOptions, PruneReport } from '../compress/prune/prune.js';
export { toFp16 } from '../compress/stages/fp16.js';
export { prune } from '../compress/stages/prune.js';
export { quantizeDynamic } from '../compress/stages/quantizeDynamic.js';
export { quantizeStatic } from '../compress/stages/quantizeStatic.js';
export { recalibrate } from '../compress/stages/recalibrate.js';
export { reconstruct } from '../compress/stages/reconstruct.js';
export type {
  CompareOptions,
  CompressOptions,
  CompressResult,
  LatencyOptions,
  ModelComparison,
  ModelScore,
  NamedModel,
} from '../measure/compress.js';
export { compareModels, compress } from '../measure/compress.js';
