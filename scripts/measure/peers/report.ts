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
/** Computes in float, in whatever form: `fp32`, `fp32-sparse`, `fp32-compiled`. */
const isFloat = ({ row }: PeerRow): boolean => row.precision.startsWith('fp32');
const isInt8 = ({ row }: PeerRow): boolean => row.precision.startsWith('int8');
const nameOf = ({ row }: PeerRow): string => `${row.engine} ${row.precision}`;

/** The row with the smallest median, undefined of none. */
function fastest(rows: readonly PeerRow[]): PeerRow | undefined {
  return [...rows].sort((a, b) => a.row.medianMs - b.row.medianMs)[0];
}

/** Without instructions for dot products of bytes INT8 can gain less. */
function int8Limit({ row }: PeerRow): number {
  return row.environment.features.includes('avx512vnni') ? 0.5 : 0.75;
}

/**
 * The ratios that were aimed at, as far as both sides of them were measured: ours against whichever peer is fastest in
 * this session, by medians. What each row gets right is in the table.
 */
export function goalsOf(rows: readonly PeerRow[], firstUses: readonly FirstUse[]): Goal[] {
  const goals: Goal[] = [];
  const add = (name: string, limit: number, ours: readonly (readonly number[])[], theirs: typeof ours): void => {
    goals.push({ name, limit, ratio: bootstrapRatio(ours, theirs) });
  };
  for (const threads of new Set(rows.map(({ row }) => row.threads))) {
    const here = rows.filter(({ row }) => row.threads === threads);
    const at = `${threads} thread${threads === 1 ? '' : 's'}`;
    const own = here.filter(isOwn);
    const peers = here.filter((candidate) => !isOwn(candidate));
    const floatPeer = fastest(peers.filter(isFloat));
    const int8Peer = fastest(peers.filter(isInt8));
    // The same weights as the peers have: a pruned network's times are another matter.
    const float = own.find(({ row }) => row.precision === 'fp32' && row.model === floatPeer?.row.model);
    const int8 = fastest(own.filter(isInt8));
    if (float !== undefined && floatPeer !== undefined) {
      add(`FP32 against ${nameOf(floatPeer)}, ${at}`, 0.85, timesOf(float), timesOf(floatPeer));
    }
    if (int8 !== undefined && floatPeer !== undefined) {
      add(`${int8.row.model} against ${nameOf(floatPeer)}, ${at}`, int8Limit(int8), timesOf(int8), timesOf(floatPeer));
    }
    if (int8 !== undefined && int8Peer !== undefined) {
      add(`${int8.row.model} against ${nameOf(int8Peer)}, ${at}`, 1, timesOf(int8), timesOf(int8Peer));
    }
  }
  const first = rows.find((candidate) => isOwn(candidate));
  const twice = rows.find(
    (candidate) => isOwn(candidate) && candidate.row.model === first?.row.model && candidate.row.threads === 2,
  );
  if (first?.row.threads === 1 && twice !== undefined) {
    add('FP32, 2 threads against 1', 1 / 1.75, timesOf(twice), timesOf(first));
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
      `${Number(goal.limit.toFixed(2))}x`,
      `${goal.ratio.ratio.toFixed(3)}x`,
      interval(goal.ratio),
      verdictOf(goal),
    ]),
    1,
  );
}
