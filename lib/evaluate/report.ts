import { examinedAsync, invalidArgument } from '../errors.js';
import { check } from '../schema/check.js';
import { reportOptions } from './options.js';
import type { Evaluation } from './score.js';

/** What a report says beside the figures. */
export interface EvaluationReportOptions {
  /** ISO 8601. Default: now. */
  readonly date?: string | undefined;
  /** What was evaluated and on which machine, by name. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Sizes of the models' files, by the models' names. */
  readonly bytes?: Readonly<Record<string, number>> | undefined;
}

/**
 * The evaluations as one HTML page without outside references: what they come to in a sentence, accuracy with its interval
 * against size and time, precision, recall and F1 by class, and for each model its confusion matrix, reliability, accuracy
 * by coverage, and the mistakes it was surest of, where `evaluate` kept some. Several models are held against each other by
 * McNemar's test.
 *
 * @param title what was evaluated, for example the data set's path
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export async function evaluationReport(
  title: string,
  evaluations: readonly Evaluation[],
  options: EvaluationReportOptions = {},
): Promise<string> {
  if (typeof title !== 'string') throw invalidArgument('title', 'a text', title);
  const checked = check(reportOptions, options, { name: 'options' });
  const { evaluationPage } = await import('./reportPage.js');
  return await examinedAsync('evaluations', 'a list, as `evaluate` gives it,', evaluations, async () =>
    evaluationPage(title, evaluations, checked),
  );
}
