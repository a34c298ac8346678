/** A function to minimise: its value at `point`; the gradient there is written into `gradient`. */
export type Objective = (point: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  /** Ends when no element of the gradient is larger than this. */
  readonly tolerance: number;
  readonly maxIterations: number;
  /** Called after every iteration; may wait, and may throw to stop. */
  readonly onIteration?: ((iteration: number) => Promise<void> | void) | undefined;
}

/** Pairs of steps and gradient changes that the approximation of the curvature remembers. */
const MEMORY = 10;

/** A step must lower the value by this share of what the slope promises (Armijo's rule). */
const SUFFICIENT = 1e-4;

/** Halvings of a step before the search gives up: the value can't be lowered further in doubles. */
const MOST_HALVINGS = 40;

/**
 * Minimises a smooth convex function by L-BFGS (Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 7.5)
 * with backtracking. `start` is not changed.
 *
 * @returns the point reached
 */
export async function minimize(
  objective: Objective,
  start: Float64Array,
  { tolerance, maxIterations, onIteration }: MinimizeOptions,
): Promise<Float64Array> {
  const size = start.length;
  let point = start.slice();
  let gradient = new Float64Array(size);
  let value = objective(point, gradient);
  const memory: { step: Float64Array; change: Float64Array; curvature: number }[] = [];

  for (let iteration = 1; iteration <= maxIterations && largest(gradient) > tolerance; iteration++) {
    const direction = descent(gradient, memory);
    const slope = product(direction, gradient);
    // The first step has no curvature to go by: one of length 1.
    let length = memory.length === 0 ? 1 / Math.max(1, Math.sqrt(product(gradient, gradient))) : 1;
    const next = new Float64Array(size);
    const nextGradient = new Float64Array(size);
    let nextValue = Number.POSITIVE_INFINITY;
    for (let halving = 0; halving < MOST_HALVINGS; halving++) {
      for (let i = 0; i < size; i++) next[i] = point[i]! + length * direction[i]!;
      nextValue = objective(next, nextGradient);
      if (nextValue <= value + SUFFICIENT * length * slope) break;
      length /= 2;
    }
    if (!(nextValue < value)) break;
    const step = new Float64Array(size);
    const change = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      step[i] = next[i]! - point[i]!;
      change[i] = nextGradient[i]! - gradient[i]!;
    }
    const curvature = product(step, change);
    // Without curvature along the step the approximation would no longer be positive definite.
    if (curvature > 1e-12 * product(change, change)) {
      memory.push({ step, change, curvature });
      if (memory.length > MEMORY) memory.shift();
    }
    point = next;
    gradient = nextGradient;
    value = nextValue;
    await onIteration?.(iteration);
  }
  return point;
}

/** The two loops: minus the approximate inverse Hessian times the gradient. */
function descent(
  gradient: Float64Array,
  memory: readonly { step: Float64Array; change: Float64Array; curvature: number }[],
): Float64Array {
  const direction = gradient.map((g) => -g);
  const shares: number[] = [];
  for (let m = memory.length - 1; m >= 0; m--) {
    const { step, change, curvature } = memory[m]!;
    const share = product(step, direction) / curvature;
    shares[m] = share;
    for (let i = 0; i < direction.length; i++) direction[i]! -= share * change[i]!;
  }
  const latest = memory.at(-1);
  if (latest !== undefined) {
    const scale = latest.curvature / product(latest.change, latest.change);
    for (let i = 0; i < direction.length; i++) direction[i]! *= scale;
  }
  memory.forEach(({ step, change, curvature }, m) => {
    const share = shares[m]! - product(change, direction) / curvature;
    for (let i = 0; i < direction.length; i++) direction[i]! += share * step[i]!;
  });
  return direction;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
