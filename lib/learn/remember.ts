import { NeonsenseError } from '../errors.js';
import type { Extracted } from './extract.js';
import { OTHER } from './photos.js';
import type { Samples } from './samples.js';

/** Features of the photos a model was learnt from: what is needed to add classes to it. */
export interface Remembered {
  readonly labels: readonly string[];
  /** What the features come from. */
  readonly base: string;
  /** One feature vector a photo. */
  readonly samples: Samples;
}

/** The samples to learn from: fresh ones, and of classes learnt before what was remembered of them. */
export function withRemembered(
  fresh: Extracted,
  freshLabels: readonly string[],
  add: Remembered | undefined,
  base: string,
): { readonly labels: readonly string[]; readonly samples: Extracted } {
  if (add === undefined) return { labels: freshLabels, samples: fresh };
  if (add.base !== base || add.samples.width !== fresh.width) {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      'The model to add to was learnt on the features of another network: give its base, or learn all classes anew',
    );
  }
  const names = [...new Set([...add.labels, ...freshLabels])];
  const labels = [...names.filter((name) => name !== OTHER), ...names.filter((name) => name === OTHER)];
  const renumbered = (own: readonly string[], from: Int32Array): Int32Array =>
    from.map((label) => labels.indexOf(own[label]!));
  const old = add.samples;
  const features = new Float32Array(old.features.length + fresh.features.length);
  features.set(old.features);
  features.set(fresh.features, old.features.length);
  const oldCount = old.labels.length;
  return {
    labels,
    samples: {
      features,
      width: fresh.width,
      classes: labels.length,
      labels: Int32Array.of(...renumbered(add.labels, old.labels), ...renumbered(freshLabels, fresh.labels)),
      pictures: Int32Array.of(...old.labels.keys(), ...fresh.pictures.map((picture) => oldCount + picture)),
      files: [...Array.from(old.labels, (_, i) => `photo ${i + 1} learnt before`), ...fresh.files],
      unreadable: fresh.unreadable,
    },
  };
}
