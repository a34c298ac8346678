import {
  type BenchRow,
  bootstrapRatio,
  median,
  type RatioInterval,
  type Subject,
  type TrialResult,
  table,
} from '../../../lib/internal.js';

/** What one process after the other took from nothing imported to the first logits. */
export interface FirstUse {
  readonly engine: string;
  /** Import, load and first inference of each trial, milliseconds. */
  readonly samplesMs: readonly number[];
  /** Peak resident set of each trial above that of a bare Node process of the same round. */
  readonly aboveBareBytes: readonly number[];
}

/** A row, its samples by trial, and its accuracy. */
export interface PeerRow {
  readonly row: BenchRow;
  /** In the order of the rounds, so that the same index of two rows ran next to each other. */
  readonly trials: readonly TrialResult[];
  /** Share of the pictures it gets right, where they were counted. */
  readonly top1?: number | undefined;
}

/** One of the aims that the engine was built for, and where it stands. */
export interface Goal {
  readonly name: string;
  /** Highest ratio at which it is reached. */
  readonly limit: number;
  readonly ratio: RatioInterval;
}

/** Tells the subjects of one session apart. */
export function subjectKey({ engine, model, precision }: Pick<Subject, 'engine' | 'model' | 'precision'>): string {
  return `${engine} ${model} ${precision}`;
}

const timesOf = ({ trials }: PeerRow): (readonly number[])[] => trials.map(({ samplesMs }) => samplesMs);
const isOwn = ({ row }: PeerRow): boolean => row.engine === 'neonsense';
const isFloatPeer = ({ row }: PeerRow): boolean => row.engine === 'onnxruntime-node' && row.precision === 'fp32';

/**
 * The ratios that were aimed at, as far as both sides of them were measured. Of our int8 rows the fastest stands against
 * onnxruntime's own int8; what each of them gets right is in the table.
 */
export function goalsOf(rows: readonly PeerRow[], firstUses: readonly FirstUse[]): Goal[] {
  const goals: Goal[] = [];
  const add = (name: string, limit: number, ours: readonly (readonly number[])[], theirs: typeof ours): void => {
    goals.push({ name, limit, ratio: bootstrapRatio(ours, theirs) });
  };
  for (const threads of new Set(rows.map(({ row }) => row.threads))) {
    const here = rows.filter(({ row }) => row.threads === threads);
    const at = `${threads} thread${threads === 1 ? '' : 's'}`;
    const float = here.find(isFloatPeer);
    if (float !== undefined) {
      const { model } = float.row;
      const own = here.find((candidate) => isOwn(candidate) && candidate.row.model === model);
      if (own !== undefined) add(`FP32 against onnxruntime-node FP32, ${at}`, 1, timesOf(own), timesOf(float));
      const dynamic = here.find((candidate) => isOwn(candidate) && candidate.row.precision === 'int8-dynamic');
      if (dynamic !== undefined) {
        add(`INT8 dynamic against onnxruntime-node FP32, ${at}`, 0.68, timesOf(dynamic), timesOf(float));
      }
    }
    const [fastest] = here
      .filter((candidate) => isOwn(candidate) && candidate.row.precision.startsWith('int8'))
      .sort((a, b) => a.row.medianMs - b.row.medianMs);
    const theirs = here.filter(({ row }) => row.engine === 'onnxruntime-node' && row.precision.startsWith('int8'));
    if (fastest === undefined) continue;
    for (const peer of theirs) {
      const name = `${fastest.row.model} against onnxruntime-node ${peer.row.precision}, ${at}`;
      add(name, 1, timesOf(fastest), timesOf(peer));
    }
  }
  const own = firstUses.find(({ engine }) => engine === 'neonsense');
  const peer = firstUses.find(({ engine }) => engine === 'onnxruntime-node');
  if (own !== undefined && peer !== undefined) {
    const each = (values: readonly number[]): number[][] => values.map((value) => [value]);
    add('Import, load and first inference', 0.4, each(own.samplesMs), each(peer.samplesMs));
    add('Memory above bare Node after it', 0.35, each(own.aboveBareBytes), each(peer.aboveBareBytes));
  }
  return goals;
}

/** `reached` or `missed`; where the interval holds the limit, with the remark that it may be chance. */
export function verdictOf({ limit, ratio: { ratio, low, high } }: Goal): string {
  const verdict = ratio <= limit ? 'reached' : 'missed';
  return low <= limit && high > limit ? `${verdict}, within the noise` : verdict;
}

/** Everything as Markdown: the rows against the first of the same threads, first uses, goals. */
export function peersMarkdown(rows: readonly PeerRow[], firstUses: readonly FirstUse[]): string {
  const sections: string[] = [];
  if (rows.length > 0) sections.push(rowsTable(rows));
  if (firstUses.length > 0) {
    sections.push('First use, each time in a fresh process, one thread:', firstUseTable(firstUses));
  }
  const goals = goalsOf(rows, firstUses);
  if (goals.length > 0) sections.push('Goals, as ratios of medians:', goalsTable(goals));
  return `${sections.join('\n\n')}\n`;
}

const MEBIBYTE = 2 ** 20;
const interval = ({ low, high }: RatioInterval): string => `${low.toFixed(3)}-${high.toFixed(3)}`;

function rowsTable(rows: readonly PeerRow[]): string {
  return table(
    [
      'engine',
      'model',
      'precision',
      'threads',
      'top-1',
      'init ms',
      'first ms',
      'median ms',
      'p90',
      'p99',
      'min',
      'sd',
      'RSS MiB',
      'file MiB',
      'against first',
      '95 % interval',
      'logits differ by',
    ],
    rows.map((peerRow) => {
      const { row, top1 } = peerRow;
      const reference = rows.find((other) => other.row.threads === row.threads && other.row.batch === row.batch)!;
      const ratio = reference === peerRow ? undefined : bootstrapRatio(timesOf(peerRow), timesOf(reference));
      const difference = row.logitsDifference;
      return [
        row.engine,
        row.model,
        row.precision,
        String(row.threads),
        top1 === undefined ? '-' : `${(100 * top1).toFixed(1)} %`,
        row.initMs.toFixed(1),
        row.firstMs.toFixed(2),
        ...[row.medianMs, row.p90Ms, row.p99Ms, row.minMs, row.stddevMs].map((value) => value.toFixed(3)),
        (row.rssDeltaBytes / MEBIBYTE).toFixed(1),
        (row.fileBytes / MEBIBYTE).toFixed(2),
        ratio === undefined ? '-' : `${ratio.ratio.toFixed(3)}x${ratio.significant ? '' : ' ?'}`,
        ratio === undefined ? '-' : interval(ratio),
        difference === undefined ? '-' : (difference.maxAbs / difference.range).toExponential(1),
      ];
    }),
    3,
  );
}

function firstUseTable(firstUses: readonly FirstUse[]): string {
  return table(
    ['engine', 'processes', 'import + load + first inference ms', 'min', 'peak memory above bare Node MiB'],
    firstUses.map(({ engine, samplesMs, aboveBareBytes }) => [
      engine,
      String(samplesMs.length),
      median(samplesMs).toFixed(1),
      Math.min(...samplesMs).toFixed(1),
      (median(aboveBareBytes) / MEBIBYTE).toFixed(1),
    ]),
    1,
  );
}

function goalsTable(goals: readonly Goal[]): string {
  return table(
    ['goal', 'at most', 'ratio', '95 % interval', 'verdict'],
    goals.map((goal) => [
      goal.name,
      `${goal.limit}x`,
      `${goal.ratio.ratio.toFixed(3)}x`,
      interval(goal.ratio),
      verdictOf(goal),
    ]),
    1,
  );
}
