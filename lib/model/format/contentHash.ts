import { crypto } from '../../builtins.js';
import { atOnce, BYTES_A_STEP, type Steps } from '../steps.js';
import type { Container } from './safetensors.js';

/** Metadata key under which the hash is kept. */
export const HASH_KEY = 'sha256';

/**
 * SHA-256, as hexadecimal digits, over the metadata (without the hash itself) and the tensors, each sorted by name; it
 * does not depend on where the tensors lie in the file. docs/model-format.md gives the exact bytes.
 */
export function contentHash(container: Container): string {
  return atOnce(contentHashSteps(container));
}

/** {@link contentHash} with pauses. */
export function* contentHashSteps({ metadata, tensors }: Container): Steps<string> {
  const hash = crypto().createHash('sha256');
  for (const key of [...metadata.keys()].sort()) {
    if (key !== HASH_KEY) hash.update(`${JSON.stringify([key, metadata.get(key)])}\n`);
  }
  let hashed = 0;
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, bytes } = tensors.get(name)!;
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
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
