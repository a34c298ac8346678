import { crypto } from '../../builtins.js';
import type { Container } from './safetensors.js';

/** Metadata key under which the hash is kept. */
export const HASH_KEY = 'sha256';

/**
 * SHA-256, as hexadecimal digits, over the metadata (without the hash itself) and the tensors, each sorted by name; it
 * does not depend on where the tensors lie in the file. docs/model-format.md gives the exact bytes.
 */
export function contentHash({ metadata, tensors }: Container): string {
  const hash = crypto().createHash('sha256');
  for (const key of [...metadata.keys()].sort()) {
    if (key !== HASH_KEY) hash.update(`${JSON.stringify([key, metadata.get(key)])}\n`);
  }
  for (const name of [...tensors.keys()].sort()) {
    const { dtype, shape, bytes } = tensors.get(name)!;
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`).update(bytes);
  }
  return hash.digest('hex');
}
