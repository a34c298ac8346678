import colours from 'picocolors';

/** Functions that put a text into colours, or leave it as it is where none are wanted. */
export type Colours = ReturnType<typeof colours.createColors>;

/** What is asked of a stream; one that leads to a file or another program has no `isTTY`. */
export type Screen = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'> & Partial<Pick<NodeJS.WriteStream, 'hasColors'>>;

/** A file or a pipe. */
export const NO_SCREEN: Screen = { isTTY: false, columns: 0 };

/** Where a terminal does not say how wide it is. */
const USUAL_COLUMNS = 80;

/**
 * Colours for a terminal that has some. Node looks at `NO_COLOR`, `FORCE_COLOR` and `TERM`; files and pipes get none.
 * Not `util.styleText`: Node 20.9 has none.
 */
export function coloursOf(stream: Screen): Colours {
  return colours.createColors(stream.isTTY === true && stream.hasColors?.() === true);
}

/** Cells in a line of a terminal; lines for files and pipes may have any length. */
export function columnsOf(stream: Screen): number {
  return stream.isTTY === true ? stream.columns || USUAL_COLUMNS : Number.POSITIVE_INFINITY;
}
