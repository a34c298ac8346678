/** Names of the tensors that stand in for a `weight` that is not stored as plain numbers. */
export const SUFFIX = {
  /** Which elements are not zero; see sparseCoding.ts. */
  bitmap: '.bitmap',
  /** The elements that are not zero. */
  values: '.values',
  /** The elements as a raw deflate stream. */
  deflate: '.deflate',
  /** Beside int8 and uint8 weights. */
  scale: '_scale',
  /** Beside uint8 weights. */
  zeroPoint: '_zero_point',
} as const;

/** Metadata key that describes the weights stored in coded form. */
export const ENCODINGS_KEY = 'encodings';

/** How one weight is coded: an entry of the metadata key `encodings`. */
export interface Encoding {
  readonly coding: 'bitmap' | 'deflate';
  /** Of the decoded tensor. */
  readonly dtype: 'F32' | 'F16' | 'I8' | 'U8';
  /** Of the decoded tensor. */
  readonly shape: readonly number[];
}
