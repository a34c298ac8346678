export type { RejectionScore } from '../learn/confidence.js';
export type { Method } from '../learn/crossValidate.js';
export type { LearnOptions, LearnReport, LearnResult } from '../learn/learn.js';
export { learn } from '../learn/learn.js';
export type { Remembered } from '../learn/remember.js';
export { readRemembered, writeRemembered } from '../learn/rememberedFile.js';
export type { Samples } from '../learn/samples.js';
