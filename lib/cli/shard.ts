import { createHash } from 'node:crypto';
import { InvalidArgumentError } from 'commander';

/** Which of how many parts, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Reads `K/N`. */
export function shardOf(text: string): Shard {
  const [index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (index === undefined || count === undefined || index < 1 || index > count) {
    throw new InvalidArgumentError(`Expected K/N with K from 1 to N, such as 3/8, but received "${text}".`);
  }
  return { index, count };
}

/**
 * Whether a file belongs to a part. It depends on the file's path alone, so a file keeps its part when others come or go,
 * and processes that know nothing of each other share a folder out without overlap.
 */
export function isOfShard(path: string, { index, count }: Shard): boolean {
  return createHash('sha256').update(path).digest().readUInt32BE() % count === index - 1;
}
