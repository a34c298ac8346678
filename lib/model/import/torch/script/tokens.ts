import { NeonsenseError, quoted } from '../../../../errors.js';
import type { Budget } from '../../../../files/limits.js';

/** One word of TorchScript's serialized code. */
export type Token =
  | { readonly kind: 'name' | 'symbol'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  /** The end of a line, and the change of indentation before the next, as Python's own tokenizer tells them. */
  | { readonly kind: 'newline' | 'indent' | 'dedent' | 'end' };

const BLANKS = /[ \t]*/y;
const WORD =
  /([A-Za-z_]\w*)|((?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(->|==|!=|<=|>=|\*\*|\/\/|[-+*/%<>=(),.:[\]{}@~&|^])/y;

/**
 * The words of `source`: the small part of Python that TorchScript writes.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` for a character that begins none, `ERR_MODEL_FORMAT` beyond the budget.
 */
export function tokensOf(source: string, budget: Budget): Token[] {
  const tokens: Token[] = [];
  const indents = [0];
  let brackets = 0;
  for (const line of source.split('\n')) {
    BLANKS.lastIndex = 0;
    const indent = BLANKS.exec(line)?.[0].length ?? 0;
    const isBlank = indent === line.length || line[indent] === '#';
    budget.spend('work');
    if (isBlank) continue;
    if (brackets === 0) {
      if (indent > indents.at(-1)!) {
        budget.check('depth', indents.push(indent));
        tokens.push({ kind: 'indent' });
      }
      while (indent < indents.at(-1)!) {
        indents.pop();
        tokens.push({ kind: 'dedent' });
      }
    }
    let at = indent;
    while (at < line.length && line[at] !== '#') {
      WORD.lastIndex = at;
      const match = WORD.exec(line);
      if (match === null) {
        throw new NeonsenseError(
          'ERR_UNSUPPORTED',
          `The checkpoint's TorchScript code has a form that is not known: ${quoted(line.trim(), 80)}`,
        );
      }
      budget.spend('work');
      const [, name, number, text, symbol = ''] = match;
      if (name !== undefined) tokens.push({ kind: 'name', text: name });
      else if (number !== undefined) tokens.push({ kind: 'number', value: Number(number) });
      else if (text !== undefined) tokens.push({ kind: 'string', value: text.slice(1, -1).replace(/\\(.)/g, '$1') });
      else tokens.push({ kind: 'symbol', text: symbol });
      if ('([{'.includes(symbol) && symbol !== '') brackets++;
      else if (')]}'.includes(symbol) && symbol !== '') brackets--;
      BLANKS.lastIndex = WORD.lastIndex;
      at = WORD.lastIndex + (BLANKS.exec(line)?.[0].length ?? 0);
    }
    if (brackets === 0) tokens.push({ kind: 'newline' });
  }
  while (indents.length > 1) {
    indents.pop();
    tokens.push({ kind: 'dedent' });
  }
  tokens.push({ kind: 'end' });
  return tokens;
}
