import type { Architecture } from '../architecture.js';
import { BLOCK_TEMPLATES } from '../architecture.js';

/**
 * A network of one channel everywhere, for what can be said of it before its channels are known: which layers it has,
 * and what they are called.
 *
 * @param head 1 for a hidden layer or a classifier that is there, 0 for one that is not
 */
export function skeletonOf(
  name: Architecture['name'],
  head: Pick<Architecture, 'hidden' | 'classes'>,
  hasExpansion: (block: number) => boolean = () => true,
): Architecture {
  const blocks = BLOCK_TEMPLATES[name].map(({ squeezes, ...template }, index) => ({
    ...template,
    ...{ input: 1, expanded: 1, output: 1, squeeze: squeezes ? 1 : 0 },
    hasExpansion: hasExpansion(index),
  }));
  return { name, stem: 1, blocks, last: 1, ...head };
}
