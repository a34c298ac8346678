import { open } from 'node:fs/promises';
import * as z from 'zod/mini';
import { fileError, NeonsenseError, shortened } from '../errors.js';
import { wilsonInterval } from '../numbers/interval.js';
import { median } from '../numbers/quantile.js';

const answerSchema = z.object({
  label: z.string(),
  probability: z.number(),
  rejected: z.boolean(),
  ms: z.number(),
});
const recordSchema = z.object({
  model: z.string(),
  shadow: z.string(),
  agrees: z.boolean(),
  answers: z.tuple([answerSchema, answerSchema]),
});

/** A share with its 95 % interval. */
export interface Share {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
}

/** What two models said of the same pictures. */
export interface AbReport {
  readonly models: readonly [first: string, second: string];
  readonly pictures: number;
  /** Share of the pictures on which both say the same. */
  readonly agreement: Share;
  /** Share that each rejects. */
  readonly rejected: readonly [first: number, second: number];
  /** Second minus first, with the 95 % interval of a paired difference. */
  readonly rejectedDifference: Share;
  /** Median milliseconds in the network. */
  readonly ms: readonly [first: number, second: number];
  /** What they disagree about, most often first. */
  readonly disagreements: readonly { readonly first: string; readonly second: string; readonly pictures: number }[];
  /** Lines that are no records; a killed server may leave one. */
  readonly skipped: number;
}

/** Bytes a line may have; a record has a few hundred. */
const LONGEST_LINE = 65_536;

/**
 * Reads the log that `serve --shadow-log` writes.
 *
 * @param file the log; records of other models than the last line's are another test's and do not count
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`; `ERR_DATASET` for a file without a record
 */
export async function abReport(file: string): Promise<AbReport> {
  const records: z.infer<typeof recordSchema>[] = [];
  let skipped = 0;
  try {
    await using handle = await open(file);
    for await (const line of handle.readLines()) {
      const record = line.length > LONGEST_LINE ? undefined : recordSchema.safeParse(parsed(line)).data;
      if (record !== undefined) records.push(record);
      else if (line !== '') skipped++;
    }
  } catch (cause) {
    const name = shortened(file);
    throw fileError(cause, `There is no log ${name}`, `${name} can't be read`);
  }
  const last = records.at(-1);
  if (last === undefined) {
    throw new NeonsenseError('ERR_DATASET', `${shortened(file)} holds no record of \`neonsense serve --shadow-log\``);
  }
  const own = records.filter(({ model, shadow }) => model === last.model && shadow === last.shadow);
  const agreeing = own.filter(({ agrees }) => agrees).length / own.length;
  const rejections = ([0, 1] as const).map((which) => own.map(({ answers }) => Number(answers[which].rejected)));
  return {
    models: [last.model, last.shadow],
    pictures: own.length,
    agreement: { value: agreeing, interval: wilsonInterval(agreeing, own.length) },
    rejected: [mean(rejections[0]!), mean(rejections[1]!)],
    rejectedDifference: pairedDifference(rejections[0]!, rejections[1]!),
    ms: [median(own.map(({ answers }) => answers[0].ms)), median(own.map(({ answers }) => answers[1].ms))],
    disagreements: disagreementsOf(own),
    skipped,
  };
}

function disagreementsOf(records: readonly z.infer<typeof recordSchema>[]): AbReport['disagreements'] {
  const counts = new Map<string, { first: string; second: string; pictures: number }>();
  for (const { agrees, answers } of records) {
    if (agrees) continue;
    const [first, second] = answers.map(({ label, rejected }) => (rejected ? 'rejected' : label)) as [string, string];
    const key = JSON.stringify([first, second]);
    const entry = counts.get(key) ?? { first, second, pictures: 0 };
    entry.pictures++;
    counts.set(key, entry);
  }
  return [...counts.values()].sort((a, b) => b.pictures - a.pictures);
}

/** Mean of `b - a`, with the normal interval of the mean of paired differences. */
function pairedDifference(a: readonly number[], b: readonly number[]): Share {
  const differences = a.map((value, i) => b[i]! - value);
  const value = mean(differences);
  const variance = mean(differences.map((difference) => (difference - value) ** 2));
  const half = 1.96 * Math.sqrt(variance / a.length);
  return { value, interval: [value - half, value + half] };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
