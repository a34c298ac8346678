import { describe, expect, it } from 'vitest';
import { timeInTurn } from '../../lib/runtime/timeInTurn.js';

/** Two runs that write down their turns. */
function twoRuns() {
  const turns: string[] = [];
  const run = (name: string) => async () => void turns.push(name);
  return { turns, runs: [run('a'), run('b')] };
}

describe('timeInTurn', () => {
  it('lets every one run once a round and counts the rounds after the warm-up', async () => {
    const { turns, runs } = twoRuns();
    const samples = await timeInTurn(runs, { warmup: 1, rounds: 2, onRun: () => turns.push('counted') });
    expect(turns).toEqual(['a', 'b', ...Array.from({ length: 2 }, () => ['a', 'counted', 'b', 'counted']).flat()]);
    expect(samples.map(({ length }) => length)).toEqual([2, 2]);
    expect(samples.flat().every((milliseconds) => milliseconds >= 0)).toBe(true);
  });

  it('ends before the round that is refused, with as many samples of each', async () => {
    const { turns, runs } = twoRuns();
    const samples = await timeInTurn(runs, { warmup: 1, rounds: 50, onRound: (round) => round < 3 });
    expect(turns).toHaveLength(6);
    expect(samples.map(({ length }) => length)).toEqual([2, 2]);
  });

  it('stops at the first failure', async () => {
    const { turns, runs } = twoRuns();
    const failing = async () => Promise.reject(new Error('no memory left'));
    await expect(timeInTurn([runs[0]!, failing, runs[1]!], { warmup: 0, rounds: 5 })).rejects.toThrow('no memory');
    expect(turns).toEqual(['a']);
  });
});
