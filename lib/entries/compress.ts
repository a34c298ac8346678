export type { PruneOptions, PruneReport } from '../compress/prune/prune.js';
export { prune } from '../compress/prune/prune.js';
export { toFp16 } from '../compress/quantize/fp16.js';
export { quantizeDynamic } from '../compress/quantize/quantizeDynamic.js';
export { quantizeStatic } from '../compress/quantize/quantizeStatic.js';
export { recalibrate } from '../compress/repair/recalibrate.js';
export { reconstruct } from '../compress/repair/reconstruct.js';
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
