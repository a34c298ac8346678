import type { Model } from '../model/model.js';
import { createSession } from '../runtime/session.js';
import type { Dataset } from './datasets.js';
import { type EvaluateOptions, type Evaluation, type Predictor, requireSameLabels, scorePredictors } from './score.js';

/** A model and what to call it in the results; names are unique within one evaluation. */
export interface NamedModel {
  readonly name: string;
  readonly model: Model;
}

/**
 * Scores several models on one data set. The pictures are read and decoded once for all of them; see
 * `scorePredictors`.
 * @param options.threads threads of each session; the engine's default when absent
 * @throws as `scorePredictors`, and what `createSession` throws
 */
export async function evaluate(
  models: readonly NamedModel[],
  dataset: Dataset,
  options: EvaluateOptions & { readonly threads?: number | undefined } = {},
): Promise<Evaluation[]> {
  const sessions: Awaited<ReturnType<typeof createSession>>[] = [];
  try {
    const predictors: Predictor[] = [];
    for (const { name, model } of models) {
      requireSameLabels(name, model.labels, dataset);
      const session = await createSession(model, options.threads === undefined ? {} : { threads: options.threads });
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
    return await scorePredictors(predictors, dataset, options);
  } finally {
    await Promise.all(sessions.map((session) => session.dispose()));
  }
}
