import { invalidArgument } from '../../errors.js';

/** What can be asked of a compressed model, each relative to the baseline. */
export const GOAL_METRICS = ['size', 'latency', 'accuracy'] as const;
export type GoalMetric = (typeof GOAL_METRICS)[number];

/** Allowed change by metric, as a fraction: `{ size: -0.3 }` asks for a file at least 30 % smaller. */
export type Goals = Readonly<Partial<Record<GoalMetric, number>>>;

/** One goal held against what was reached. */
export interface GoalResult {
  readonly metric: GoalMetric;
  /** Change asked for, as a fraction of the baseline. */
  readonly wanted: number;
  /** Change reached. */
  readonly reached: number;
  readonly baseline: number;
  readonly value: number;
  readonly met: boolean;
}

/**
 * Reads goals such as `size=-30%,latency=-40%,accuracy=-5%`. Size and latency must change by at least that much,
 * accuracy (top-1) may fall by at most that much; all are relative to the baseline, so that `accuracy=-5%` of a model
 * with 90 % top-1 allows 85.5 %.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function parseGoals(text: string): Goals {
  if (typeof text !== 'string') throw invalidArgument('require', 'goals such as size=-30%', text);
  const goals: Partial<Record<GoalMetric, number>> = {};
  for (const part of text.split(',')) {
    const match = /^\s*(size|latency|accuracy)\s*=\s*([+-]?\d+(?:\.\d+)?)\s*%\s*$/.exec(part);
    if (match === null) {
      throw invalidArgument('require', 'goals such as size=-30%,latency=-40%,accuracy=-5%', part.trim());
    }
    const metric = match[1] as GoalMetric;
    if (goals[metric] !== undefined) throw invalidArgument('require', `${metric} only once`, text);
    const change = Number(match[2]) / 100;
    if (change <= -1) throw invalidArgument('require', `a change of ${metric} above -100 %`, match[2]);
    goals[metric] = change;
  }
  return goals;
}

/** The numbers goals are about. */
export interface GoalValues {
  readonly bytes: number;
  /** Milliseconds. */
  readonly latency?: number | undefined;
  /** Share of pictures whose class came first. */
  readonly top1?: number | undefined;
}

/**
 * Holds a model against its baseline.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for a goal about something that was not measured
 */
export function checkGoals(goals: Goals, baseline: GoalValues, model: GoalValues): GoalResult[] {
  const pick = (metric: GoalMetric, values: GoalValues): number | undefined =>
    metric === 'size' ? values.bytes : metric === 'latency' ? values.latency : values.top1;
  return GOAL_METRICS.filter((metric) => goals[metric] !== undefined).map((metric) => {
    const wanted = goals[metric]!;
    const before = pick(metric, baseline);
    const value = pick(metric, model);
    if (before === undefined || value === undefined) {
      throw invalidArgument('require', `a measurement of ${metric} beside a goal for it`, undefined);
    }
    // A baseline of no accuracy at all can't lose any.
    const reached = before === 0 ? 0 : value / before - 1;
    const met = metric === 'accuracy' ? reached >= wanted - 1e-12 : reached <= wanted + 1e-12;
    return { metric, wanted, reached, baseline: before, value, met };
  });
}
