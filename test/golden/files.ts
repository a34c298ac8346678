import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RandomNetworkRecipe } from './randomNetwork.js';

/** A float32 tensor in a golden file: little-endian bytes in base64. */
export interface FloatsRecord {
  readonly shape: readonly number[];
  readonly float32: string;
}

/** How many of the household test pictures PyTorch got right. */
export interface CorrectRecord {
  readonly images: number;
  readonly top1: number;
  readonly top5: number;
}

/** `udacisense-fp32.json`, `household-first.json` */
export interface CheckpointGolden {
  readonly checkpoint: { readonly file: string; readonly sha256: string };
  readonly correct: CorrectRecord;
  /** Base64 of one uint8 a picture. */
  readonly top1: string;
  /** Largest minus smallest of all logits. */
  readonly range: number;
  readonly smallestMargin: number;
  /** `[1000, 10]` */
  readonly logits: FloatsRecord;
}

/** `random-*.json` */
export interface RandomNetworkGolden {
  readonly range: number;
  readonly largestFloat32Error: number;
  readonly smallestMargin: number;
  readonly network: RandomNetworkRecipe;
  readonly batches: readonly {
    readonly images: readonly number[];
    readonly logits: FloatsRecord;
    /** The same network run by PyTorch in double precision. */
    readonly float64: readonly (readonly number[])[];
  }[];
}

/** `timm-*.json`, `keras-*.json`: networks of other libraries, under their own names. */
export interface FamilyGolden {
  readonly network: RandomNetworkRecipe;
  readonly images: readonly number[];
  /** Largest minus smallest of all logits. */
  readonly range: number;
  /** `[N, classes]`, or the features of a network without a classifier. */
  readonly logits: FloatsRecord;
}

/** `activations.json` */
export interface ActivationsGolden {
  readonly checkpoint: string;
  readonly image: number;
  readonly modules: readonly {
    readonly name: string;
    readonly module: string;
    readonly shape: readonly number[];
    readonly mean: number;
    readonly meanAbs: number;
  }[];
}

/** `prune-*.json`: torch.nn.utils.prune.l1_unstructured on every Conv2d and Linear weight. */
export interface PruneGolden {
  readonly amount: number;
  readonly layers: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    /** Weights that were masked. */
    readonly pruned: number;
    /** Weights that are zero afterwards, those that were before included. */
    readonly zeros: number;
    /** The largest |w| masked, exactly. */
    readonly threshold: number;
    /** Of the mask's bits (1 = pruned), eight to a byte, the first in the lowest bit, row-major order. */
    readonly maskSha256: string;
    /** The same of the bits `|w| < threshold`, which do not depend on how ties are broken. */
    readonly belowSha256: string;
    /** Weights with |w| equal to the threshold, and how many of them were masked. */
    readonly ties: number;
    readonly tiesPruned: number;
    /** Base64 of packed bits, one for each tie in row-major order: 1 where torch masked it. */
    readonly tieBits: string;
  }[];
  /** On all household test pictures; absent for the random network. */
  readonly correct?: CorrectRecord;
  /** Indices of household test pictures, or of the random network's generated pictures. */
  readonly images: readonly number[];
  /** `[images, classes]`, each picture run alone. */
  readonly logits: FloatsRecord;
}

/** `quantize-dynamic-*.json`, `prune-quantize-dynamic-*.json`: quantize_dynamic on Linear, QNNPACK engine. */
export interface QuantizeDynamicGolden {
  /** Only where the weights were pruned first, as in the `prune-*.json` of the same network. */
  readonly amount?: number;
  /** Bytes of torch.save(state_dict). */
  readonly savedBytes: { readonly fp32: number; readonly quantized: number };
  readonly layers: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    /** A float32 number, exactly. */
    readonly scale: number;
    readonly zeroPoint: number;
    readonly least: number;
    readonly largest: number;
    readonly zeros: number;
    /** Of the int8 codes, `[O, I]`. */
    readonly int8Sha256: string;
  }[];
  /** Largest minus smallest logit over every picture that was run. */
  readonly range: number;
  /** Largest change of a logit, as a share of `range`, when torch uses its other convolution backend. */
  readonly torchAgainstItself: { readonly spread: number; readonly images: number };
  /** Pictures of which no activation is close to being rounded the other way. */
  readonly images: readonly number[];
  /** For each of them the distance of the closest activation from a rounding boundary, in uint8 codes. */
  readonly roundingMargins: readonly number[];
  /** `[images, C]`: what the classifier was given. */
  readonly features: FloatsRecord;
  /** `[images, classes]`, each picture run alone. */
  readonly logits: FloatsRecord;
  readonly correct?: CorrectRecord;
}

/** Random networks that have a golden file `<name>.json`. */
export const RANDOM_NETWORKS = [
  'random-small-10',
  'random-small-37',
  'random-small-half-21',
  'random-large-10',
] as const;

/** Parses a golden file of the folder `dir`. */
export function readGolden<T>(dir: string, name: string): T {
  return JSON.parse(readFileSync(join(dir, `${name}.json`), 'utf8')) as T;
}

/** The numbers of a tensor record, row by row. */
export function floatsOf(record: FloatsRecord): Float32Array {
  const bytes = Buffer.from(record.float32, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}
