import { describe, expect, it } from 'vitest';
import { alignColumns, bar, cut, facts, formatBytes, printable, table } from '../../lib/cli/text.js';

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

  it('gives 椅子 four cells, an emoji two and colours none', () => {
    const rows = [
      ['椅子', '1'],
      ['👩‍🔬 lab', '22'],
      ['\u001b[31mred\u001b[39m', '3'],
      ['plain', '4'],
    ];
    expect(alignColumns(rows, [1])).toEqual([
      '椅子     1',
      '👩‍🔬 lab  22',
      '\u001b[31mred\u001b[39m      3',
      'plain    4',
    ]);
    expect(cut('椅子 chair', 3)).toBe('椅');
  });

  describe('a table', () => {
    const rows = [
      ['model', 'size', 'accuracy'],
      ['first', '1 MiB', '90 %'],
      ['second', '22 MiB', '9 %'],
    ];

    it('stays as it is where it fits', () => {
      expect(table(rows, [1, 2], 24)).toEqual([
        'model     size  accuracy',
        'first    1 MiB      90 %',
        'second  22 MiB       9 %',
      ]);
    });

    it('is turned where only that fits', () => {
      expect(table(rows, [1, 2], 23)).toEqual([
        'model     first  second',
        'size      1 MiB  22 MiB',
        'accuracy   90 %     9 %',
      ]);
    });

    it('becomes records where neither fits', () => {
      expect(table(rows, [1, 2], 18)).toEqual([
        'first',
        '  size      1 MiB',
        '  accuracy  90 %',
        'second',
        '  size      22 MiB',
        '  accuracy  9 %',
      ]);
    });
  });

  it('goes on with a long text below its beginning', () => {
    expect(
      facts(
        [
          ['classes', 'cat, dog, bird'],
          ['file', '/a/path/of/one/word'],
        ],
        20,
      ),
    ).toEqual(['  classes  cat, dog,', '           bird', '  file     /a/path/of/one/word']);
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
