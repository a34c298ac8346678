export type { CompressStage, StageOutcome } from '../compress/pipeline.js';
export type { PruneOptions, PruneReport } from '../compress/prune/prune.js';
export type { GoalResult, Goals } from '../compress/report/goals.js';
export { parseGoals } from '../compress/report/goals.js';
export type { CompressReport, MeasuredStage } from '../compress/report/report.js';
export { reportJson, reportMarkdown } from '../compress/report/report.js';
export { reportHtml } from '../compress/report/reportHtml.js';
export { toFp16 } from '../compress/stages/fp16.js';
export { prune } from '../compress/stages/prune.js';
export { quantizeDynamic } from '../compress/stages/quantizeDynamic.js';
export { quantizeStatic } from '../compress/stages/quantizeStatic.js';
export { recalibrate } from '../compress/stages/recalibrate.js';
export { reconstruct } from '../compress/stages/reconstruct.js';
export type { CompressEngine } from '../compress/stages/stage.js';
export type {
  CompareOptions,
  CompressOptions,
  CompressResult,
  LatencyOptions,
  ModelComparison,
  ModelScore,
  NamedModel,
} from '../measure/compress.js';
export { COMPRESS_ENGINE, compareModels, compress } from '../measure/compress.js';
export type { PicturedMistake, ScoredModel } from '../report/scored.js';
