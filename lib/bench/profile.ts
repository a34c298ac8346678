import type { OperatorTime } from '../runtime/binding.js';

/** Time of one layer or of one kind of operator, for one image. */
export interface ProfileLine {
  readonly name: string;
  readonly ms: number;
  /** Of the time of all operators. */
  readonly share: number;
  /** Multiply-accumulates, 0 where there are none or the engine rewrote the graph so that they can't be assigned. */
  readonly macs: number;
  /** Billions of multiply-accumulates per second. */
  readonly gmacsPerSecond: number;
}

/** Where one image's time went. */
export interface Profile {
  /** In the order they run. */
  readonly layers: readonly (ProfileLine & { readonly operator: string })[];
  /** Longest first. */
  readonly operators: readonly ProfileLine[];
  /** Sum of all operators, milliseconds. */
  readonly totalMs: number;
  readonly macs: number;
}

/**
 * Sums operator times by layer and by operator.
 * @param times what each operator took, in order
 * @param macs multiply-accumulates of each layer with weights, by its name
 */
export function profileOf(times: readonly OperatorTime[], macs: ReadonlyMap<string, number>): Profile {
  const totalMs = times.reduce((sum, { ms }) => sum + ms, 0);
  const line = (name: string, ms: number, count: number): ProfileLine => ({
    name,
    ms,
    share: totalMs === 0 ? 0 : ms / totalMs,
    macs: count,
    gmacsPerSecond: ms === 0 ? 0 : count / ms / 1e6,
  });

  // A layer may take several operators, such as a conversion of its input: the longest does the multiplications.
  const longest = new Map<string, number>();
  times.forEach(({ layer, ms }, index) => {
    const known = longest.get(layer);
    if (known === undefined || ms > times[known]!.ms) longest.set(layer, index);
  });
  const macsOf = times.map(({ layer }, index) => (longest.get(layer) === index ? (macs.get(layer) ?? 0) : 0));

  const byOperator = new Map<string, { ms: number; macs: number }>();
  times.forEach(({ operator, ms }, index) => {
    const sum = byOperator.get(operator) ?? { ms: 0, macs: 0 };
    byOperator.set(operator, { ms: sum.ms + ms, macs: sum.macs + macsOf[index]! });
  });
  return {
    layers: times.map(({ layer, operator, ms }, index) => ({ ...line(layer, ms, macsOf[index]!), operator })),
    operators: [...byOperator].map(([operator, sum]) => line(operator, sum.ms, sum.macs)).sort((a, b) => b.ms - a.ms),
    totalMs,
    macs: [...macs.values()].reduce((sum, count) => sum + count, 0),
  };
}
