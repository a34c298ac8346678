import { Classifier, type ClassifierOptions } from '../classify/classifier.js';
import { type ModelOptions, readingOf } from './modelOptions.js';

/** What commands that label say of the model. */
export interface ModelChoice extends ModelOptions {
  /** A file, `auto`, or the name of a model that comes with neonsense. */
  readonly model: string;
  readonly language?: string | undefined;
  readonly measure?: boolean | undefined;
  readonly threads?: number | undefined;
  readonly decode?: 'fast' | 'exact' | undefined;
}

/** Loads the model of `--model`; `auto` lets the classifier choose. */
export async function loadClassifier(choice: ModelChoice): Promise<Classifier> {
  const { model, language, measure, threads, decode } = choice;
  const options: ClassifierOptions = {
    ...(await readingOf(choice)),
    ...(language === undefined ? {} : { language }),
    ...(decode === undefined ? {} : { decode }),
    ...(threads === undefined ? {} : { threads }),
    ...(measure === undefined ? {} : { measure }),
  };
  return model === 'auto' ? Classifier.load({ variant: model, ...options }) : Classifier.load(model, options);
}
