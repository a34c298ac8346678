import { crypto } from '../../builtins.js';
import { atOnce, BYTES_A_STEP, type Steps } from '../steps.js';
import type { Container } from './safetensors.js';

/** Metadata key under which the hash is kept. */
export const HASH_KEY = 'sha256';

/** A text, and bytes after it. */
export interface ContentPiece {
  readonly text: string;
  readonly bytes?: Uint8Array;
}

/** A raw deflate stream, and where what it holds belongs: as many zeros so far. */
export interface PackedNumbers {
  readonly deflated: Uint8Array;
  readonly data: Int8Array | Uint8Array;
}

/** What a model file holds and the hash that was stored with it, not compared yet; and what is not unpacked yet. */
export interface UncheckedContent {
  readonly sha256: string;
  readonly pieces: readonly ContentPiece[];
  readonly packed: readonly PackedNumbers[];
}

const NOTHING = new Uint8Array();

/** What the hash is made of, in order: the metadata in one piece, however many keys there are, and each tensor. */
export function contentPieces({ metadata, tensors }: Container): ContentPiece[] {
  const keys = [...metadata.keys()].filter((key) => key !== HASH_KEY).sort();
  const names = [...tensors.keys()].sort();
  return [
    { text: keys.map((key) => `${JSON.stringify([key, metadata.get(key)])}\n`).join('') },
    ...names.map((name) => {
      const { dtype, shape, bytes } = tensors.get(name)!;
      return { text: `${JSON.stringify([name, dtype, shape])}\n`, bytes };
    }),
  ];
}

/**
 * SHA-256, as hexadecimal digits, over the metadata (without the hash itself) and the tensors, each sorted by name; it
 * does not depend on where the tensors lie in the file. docs/model-format.md gives the exact bytes.
 */
export function contentHash(container: Container): string {
  return atOnce(contentHashSteps(container));
}

/** {@link contentHash} with pauses. */
export function* contentHashSteps(container: Container): Steps<string> {
  const hash = crypto().createHash('sha256');
  let hashed = 0;
  for (const { text, bytes = NOTHING } of contentPieces(container)) {
    hash.update(text);
    for (let begin = 0; begin < bytes.length; begin += BYTES_A_STEP) {
      const piece = bytes.subarray(begin, begin + BYTES_A_STEP);
      hash.update(piece);
      hashed += piece.length;
      if (hashed < BYTES_A_STEP) continue;
      yield;
      hashed = 0;
    }
  }
  return hash.digest('hex');
}
