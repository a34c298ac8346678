/** How long is measured. */
export interface TimingOptions {
  /** Rounds at the start that are not counted. */
  readonly warmup: number;
  /** Rounds that are, at most. */
  readonly rounds: number;
  /** Called before each round with its number, warm-up included; where it says `false` the measurement ends. */
  readonly onRound?: ((round: number) => unknown) | undefined;
  /** Called after each counted run, outside its time. */
  readonly onRun?: (() => void) | undefined;
}

/**
 * Measures what takes turns: in each round every one of `runs` runs once, so that drift of the machine hits all alike.
 *
 * @returns milliseconds of each counted round, in the order of `runs`
 */
export async function timeInTurn(
  runs: readonly (() => Promise<unknown>)[],
  { warmup, rounds, onRound, onRun }: TimingOptions,
): Promise<number[][]> {
  const samples = runs.map(() => [] as number[]);
  for (let round = 0; round < warmup + rounds; round++) {
    if (onRound?.(round) === false) break;
    for (const [index, run] of runs.entries()) {
      const start = performance.now();
      await run();
      const milliseconds = performance.now() - start;
      if (round < warmup) continue;
      samples[index]!.push(milliseconds);
      onRun?.();
    }
  }
  return samples;
}
