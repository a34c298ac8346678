import { examined } from '../errors.js';
import { checkModel } from '../model/checkModel.js';
import type { Model } from '../model/model.js';
import { createSession } from '../runtime/session.js';
import type { Dataset } from './datasets.js';
import { checkEvaluateOptions } from './options.js';
import {
  checkDataset,
  type EvaluateOptions,
  type Evaluation,
  type Predictor,
  requireSameLabels,
  scorePredictors,
} from './score.js';

/** A model and what to call it in the results; names are unique within one evaluation. */
export interface NamedModel {
  readonly name: string;
  readonly model: Model;
}

/**
 * Scores several models on one data set. The pictures are read and decoded once for all of them, and the models take
 * turns on each batch, so their `imagesPerSecond` compare. What it returns is what `compress` takes from its `evaluate`.
 *
 * @param options.threads threads of each session; the engine's default when absent
 * @throws {NeonsenseError} `ERR_DATASET` when a model's labels are not the data set's or no picture can be read,
 * `ERR_ABORTED`, `ERR_INVALID_ARGUMENT`, and what `createSession` throws
 */
export async function evaluate(
  models: readonly NamedModel[],
  dataset: Dataset,
  options: EvaluateOptions & { readonly threads?: number | undefined } = {},
): Promise<Evaluation[]> {
  checkEvaluateOptions(options);
  const { threads, ...rest } = options;
  const named = examined('models', 'an array of models and their names', models, () => {
    return Array.from(models, ({ name, model }) => ({ name, model }));
  });
  for (const { model } of named) checkModel(model);
  checkDataset(dataset);
  const sessions: Awaited<ReturnType<typeof createSession>>[] = [];
  try {
    const predictors: Predictor[] = [];
    for (const { name, model } of named) {
      requireSameLabels(name, model.labels, dataset);
      const session = await createSession(model, threads === undefined ? {} : { threads });
      sessions.push(session);
      predictors.push({
        name,
        precision: model.precision,
        labels: model.labels,
        preprocessing: model.preprocessing,
        confidence: model.confidence,
        run: (input) => session.run(input),
      });
    }
    return await scorePredictors(predictors, dataset, rest);
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}
