import { describe, expect, it } from 'vitest';
import { alignColumns, bar, formatBytes, printable } from '../../lib/cli/text.js';

describe('text for a terminal', () => {
  it('aligns words to the left and numbers to the right', () => {
    const rows = [
      ['name', 'count', 'note'],
      ['a', '1', 'short'],
      ['longer', '12345', ''],
    ];
    expect(alignColumns(rows, [1])).toEqual(['name    count  note', 'a           1  short', 'longer  12345']);
    expect(alignColumns([], [])).toEqual([]);
  });

  it('draws bars to an eighth of a cell and never longer than their cells', () => {
    expect(bar(0, 10)).toBe('');
    expect(bar(0.5, 10)).toBe('█████');
    expect(bar(0.5 + 1 / 80, 10)).toBe('█████▏');
    expect(bar(7, 10)).toBe('██████████');
    expect(bar(-1, 10)).toBe('');
  });

  it('counts MiB as 2^20 bytes', () => {
    expect(formatBytes(6_243_977)).toBe('5.95 MiB (6,243,977 bytes)');
  });

  it('takes the power from control characters', () => {
    expect(printable('a\nb\u001b]0;title\u0007\u009b2J')).toBe('a?b?]0;title??2J');
    expect(printable('Möbel 椅子.png')).toBe('Möbel 椅子.png');
  });
});
