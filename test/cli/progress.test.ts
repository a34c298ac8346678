import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { formatDuration, progressLine } from '../../lib/cli/progress.js';

function terminal(isTTY: boolean, columns = 80) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns });
  const written: string[] = [];
  stream.on('data', (text) => written.push(String(text)));
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

describe('progressLine', () => {
  it('says nothing where nobody looks', () => {
    const { stream, written } = terminal(false);
    const progress = progressLine('images', stream);
    progress.update(1, 2);
    progress.clear();
    expect(written).toEqual([]);
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
    expect(written[0]).toMatch(/######\.+\] 1\/4 images, \d+:\d\d left/);
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
