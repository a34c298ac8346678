import { examinedAsync } from '../../errors.js';
import { A_REPORT, type CompressReport } from './report.js';

/**
 * The report as one HTML page without outside references: what it comes to in a sentence, the tables, accuracy with its
 * interval against size and time, what each stage lost of the pictures the original names right, and for each stage a
 * histogram of every layer's weights and of their error.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for what is no report
 */
export async function reportHtml(report: CompressReport): Promise<string> {
  const { compressPage } = await import('./reportPage.js');
  return await examinedAsync('report', A_REPORT, report, async () => compressPage(report));
}
