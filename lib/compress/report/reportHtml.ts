import { examinedAsync, invalidArgument } from '../../errors.js';
import type { ScoredModel } from '../../report/scored.js';
import { A_REPORT, type CompressReport } from './report.js';

/**
 * The report as one HTML page without outside references: what it comes to in a sentence, the tables, accuracy with its
 * interval against size and time, what each stage lost of the pictures the original names right, and for each stage a
 * histogram of every layer's weights and of their error. With what `evaluate` gave for the original and each stage, also
 * accuracy by coverage, and for the original and the result confusion, reliability, scores by class, and the mistakes they
 * were surest of, where some were kept.
 *
 * @param evaluations of the original and of each stage, as `evaluate` gave them to `compress`
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what is no report, or another number of evaluations than of stages
 */
export async function reportHtml(report: CompressReport, evaluations?: readonly ScoredModel[]): Promise<string> {
  const { compressPage } = await import('./reportPage.js');
  return await examinedAsync('report', A_REPORT, report, async () => {
    const { length } = report.stages;
    if (evaluations !== undefined && evaluations.length !== length) {
      throw invalidArgument('evaluations', `${length}, one of the original and of each stage,`, evaluations);
    }
    return compressPage(report, evaluations);
  });
}
