import { existsSync } from 'node:fs';
import { Classifier, type ClassifierOptions } from '../classify/classifier.js';

/** What commands that label say of the model. */
export interface ModelChoice {
  /** A file, `auto`, or the name of a model that comes with neonsense. */
  readonly model: string;
  readonly key?: string;
  readonly measure?: boolean;
  readonly threads?: number;
  readonly decode?: 'fast' | 'exact';
  readonly preprocessing?: ClassifierOptions['preprocessing'];
}

/** A file there is, or a path, is a file; what remains is `auto` or the name of a model that comes with neonsense. */
export function loadClassifier({
  model,
  key,
  measure,
  threads,
  decode,
  preprocessing,
}: ModelChoice): Promise<Classifier> {
  const common = {
    key,
    preprocessing,
    ...(decode === undefined ? {} : { decode }),
    ...(threads === undefined ? {} : { threads }),
    ...(measure === undefined ? {} : { measure }),
  };
  const isName = model === 'auto' || (/^[\w-]+$/.test(model) && !existsSync(model));
  return isName ? Classifier.load({ variant: model, ...common }) : Classifier.load(model, common);
}
