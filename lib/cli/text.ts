import stringWidth from 'string-width';
import { grouped, mebibytes } from '../text/units.js';

/** Cells between two columns. */
const GAP = '  ';

/**
 * Rows as aligned text columns, two spaces apart. Widths are those on a terminal: two cells for 椅 and most emoji, none
 * for colours.
 *
 * @param rows All of one length.
 * @param right Columns that are aligned to the right, as numbers are.
 */
export function alignColumns(rows: readonly (readonly string[])[], right: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => stringWidth(row[column] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const room = ' '.repeat((widths[column] ?? 0) - stringWidth(cell));
        return right.includes(column) ? room + cell : cell + room;
      })
      .join(GAP)
      .trimEnd(),
  );
}

/**
 * A table for a terminal of `columns` cells a line: as it is where it fits; turned by a quarter, heads to the left, where
 * that fits; else a record for each row.
 *
 * @param rows All of one length, the heads first.
 * @param right as for {@link alignColumns}
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[], columns: number): string[] {
  const fits = (lines: readonly string[]): boolean => lines.every((line) => stringWidth(line) <= columns);
  const plain = alignColumns(rows, right);
  if (fits(plain)) return plain;
  const [heads = [], ...records] = rows;
  if (records.length < heads.length) {
    const turned = heads.map((_, column) => rows.map((row) => row[column] ?? ''));
    const lines = alignColumns(
      turned,
      records.map((_, index) => index + 1),
    );
    if (fits(lines)) return lines;
  }
  return records.flatMap(([name = '', ...cells]) => [
    name,
    ...facts(
      cells.map((cell, index) => [heads[index + 1] ?? '', cell] as const).filter(([, cell]) => cell !== ''),
      columns,
    ),
  ]);
}

/** Names and what is to be said of each, indented; a long text goes on below its beginning. */
export function facts(pairs: readonly (readonly [name: string, text: string])[], columns: number): string[] {
  const width = Math.max(0, ...pairs.map(([name]) => stringWidth(name)));
  const indent = GAP.length + width + GAP.length;
  return pairs.flatMap(([name, text]) =>
    wrapped(text, columns - indent).map((line, index) => {
      const head = index === 0 ? name : '';
      return `${GAP}${head}${' '.repeat(width - stringWidth(head))}${GAP}${line}`.trimEnd();
    }),
  );
}

/** A text in lines of at most `columns` cells, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && stringWidth(longer) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

/** As much of a text's beginning as fits into `columns` cells. */
export function cut(text: string, columns: number): string {
  let width = 0;
  let kept = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return kept;
}

/** A name from outside for a terminal: control characters, which could move its cursor, become `?`. */
export function printable(name: string): string {
  return name.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

/** Bytes as MiB (2^20) with the exact count, for example `5.96 MiB (6,243,977 bytes)`. */
export function formatBytes(bytes: number): string {
  return `${mebibytes(bytes)} (${grouped(bytes)} bytes)`;
}

/** Eighths of a character cell, from none to all. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/** A bar of `share` (0..1) of `cells` characters, to an eighth of one. */
export function bar(share: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8);
  return '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '');
}
