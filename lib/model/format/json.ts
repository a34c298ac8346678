import { describe, NeonsenseError } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import { DEFAULT_LIMITS } from '../../files/limits.js';

/**
 * Characters of which `JSON.parse` can't make more than some megabytes. What it made of them is counted afterwards: to
 * go through a model's header by its characters keeps V8's optimizing compiler busy for longer than all else here, and
 * makes it touch 5 MiB.
 */
const SHORT = 1 << 16;

/**
 * `text` as JSON, with a look at how much it makes: `JSON.parse` takes many times its bytes for small values, and what
 * is nested deeply could not be written again.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` beyond the budget; a SyntaxError where it is not JSON.
 */
export function parseJson(text: string, budget: Budget): unknown {
  if (text.length > SHORT) {
    spendText(text, budget);
    return JSON.parse(text);
  }
  const value: unknown = JSON.parse(text);
  spendValue(value, budget);
  return value;
}

/** Takes what `text` would make off the budget, by its brackets and commas. */
function spendText(text: string, budget: Budget): void {
  let depth = 0;
  let values = 1;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22) {
      index = endOfString(text, index) - 1;
      if (index < 0) break;
    } else if (code === 0x5b || code === 0x7b) {
      values++;
      budget.check('depth', ++depth);
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    } else if (code === 0x2c) {
      values++;
    }
  }
  budget.spend('objects', values);
}

/** Takes what was made of a text off the budget. */
function spendValue(value: unknown, budget: Budget): void {
  let values = 1;
  let depth = 0;
  let level = containersIn([value]);
  while (level.length > 0) {
    budget.check('depth', ++depth);
    const next: object[] = [];
    for (const container of level) {
      const items: readonly unknown[] = Array.isArray(container) ? container : Object.values(container);
      // As brackets and commas count: an empty one is one value as well.
      values += Math.max(1, items.length);
      next.push(...containersIn(items));
    }
    level = next;
  }
  budget.spend('objects', values);
}

function containersIn(items: readonly unknown[]): object[] {
  return items.filter((item) => typeof item === 'object' && item !== null) as object[];
}

/**
 * Checks that `value` consists of JSON's values alone, no more of them and nested no deeper than is read by default.
 *
 * @throws {NeonsenseError} `ERR_MODEL_FORMAT` naming `what`.
 */
export function checkSize(value: unknown, what: string): void {
  let values = 0;
  const visit = (item: unknown, depth: number): void => {
    if (typeof item === 'bigint') throw new NeonsenseError('ERR_MODEL_FORMAT', `\`${what}\` holds a BigInt`);
    if (typeof item !== 'object' || item === null) return;
    if (ArrayBuffer.isView(item)) {
      throw new NeonsenseError('ERR_MODEL_FORMAT', `\`${what}\` holds ${describe(item)}, which is no JSON`);
    }
    if (depth > DEFAULT_LIMITS.depth) {
      throw new NeonsenseError('ERR_MODEL_FORMAT', `\`${what}\` is nested too deeply to be read back`);
    }
    for (const inner of Object.values(item)) {
      if (++values > DEFAULT_LIMITS.objects) {
        throw new NeonsenseError('ERR_MODEL_FORMAT', `\`${what}\` holds too many values to be read back`);
      }
      visit(inner, depth + 1);
    }
  };
  visit(value, 1);
}

/**
 * The first key that occurs twice in one object of `text`, which must be valid JSON: `JSON.parse` would silently keep
 * the last one, another reader the first.
 */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let index = 0;
  while (index < text.length) {
    const character = text[index];
    if (character === '{') {
      open.push(new Set());
    } else if (character === '[') {
      open.push(undefined);
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, index);
      const keys = open.at(-1);
      if (keys !== undefined && isKey(text, end)) {
        const raw = text.slice(index, end);
        const key = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
        if (keys.has(key)) return key;
        keys.add(key);
      }
      index = end;
      continue;
    }
    index++;
  }
  return undefined;
}

/** How many keys are written in `text`, which must be valid JSON; many times faster than looking for duplicates. */
export function countKeys(text: string): number {
  let count = 0;
  for (let start = text.indexOf('"'); start >= 0; ) {
    const end = endOfString(text, start);
    if (isKey(text, end)) count++;
    start = text.indexOf('"', end);
  }
  return count;
}

/** Index behind the closing quote of the string that opens at `start`, 0 where there is none. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  for (;;) {
    const quote = text.indexOf('"', index);
    if (quote < 0) return 0;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    index = quote + 1;
  }
}

function isKey(text: string, afterString: number): boolean {
  for (let index = afterString; ; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x3a) return true;
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false;
  }
}
