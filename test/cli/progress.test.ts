import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatDuration, progressLine, progressOf } from '../../lib/cli/progress.js';

function terminal(isTTY: boolean, columns = 80) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns });
  const written: string[] = [];
  stream.on('data', (text) => written.push(String(text)));
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

afterEach(() => void vi.useRealTimers());

describe('progressLine', () => {
  it('says nothing in a log of work that is done within ten seconds', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { stream, written } = terminal(false);
    const progress = progressLine('images', stream);
    progress.update(1, 3);
    vi.advanceTimersByTime(9_900);
    progress.update(2, 3);
    vi.advanceTimersByTime(9_900);
    progress.update(3, 3);
    progress.clear();
    expect(written).toEqual([]);
  });

  it('says in a log how far longer work is, in whole lines that are far apart, whatever kind of work it is', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { stream, written } = terminal(false);
    const progress = progressOf(stream);
    for (let second = 0; second < 50; second++) {
      vi.advanceTimersByTime(1000);
      if (second < 25) progress.update('pictures', second, 100);
      else progress.update('fits', second - 24, 50);
    }
    expect(written).toEqual(['neonsense: 9 of 100 pictures, 1:31 left\n', 'neonsense: 15 of 50 fits, 0:35 left\n']);
  });

  it('judges the time that is left by what came after the first, which also loads and warms up', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { stream, written } = terminal(true);
    const progress = progressLine('images', stream);
    vi.advanceTimersByTime(60_000);
    progress.update(1, 11);
    vi.advanceTimersByTime(2000);
    progress.update(2, 11);
    expect(written[0]).not.toContain('left');
    expect(written[1]).toContain('2/11 images, 0:18 left');
  });

  it('shows how far it is and always the end, and cleans up after itself', () => {
    const { stream, written } = terminal(true);
    const progress = progressLine('images', stream);
    progress.update(1, 4);
    progress.update(2, 4);
    progress.update(4, 4);
    progress.clear();
    // The second update comes too soon after the first to be worth a redraw.
    expect(written).toHaveLength(3);
    expect(written[0]).toMatch(/######\.+\] 1\/4 images/);
    expect(written[1]).toContain('4/4 images');
    expect(written[2]).toBe('\r\u001b[K');
  });

  it('stays on one line of a narrow terminal', () => {
    const { stream, written } = terminal(true, 20);
    progressLine('images', stream).update(1, 4);
    expect(written[0]!.replace('\r', '').replace('\u001b[K', '')).toHaveLength(19);
  });

  it('writes durations as a clock does', () => {
    expect([0, 999, 61_000, 3_600_000].map(formatDuration)).toEqual(['0:00', '0:01', '1:01', '1:00:00']);
  });
});
