import { readdir, readFile, stat } from 'node:fs/promises';
import { fileError, NeonsenseError, quoted } from '../errors.js';
import type { Translations } from '../model/model.js';

/** Names of classes in the order of the logits, with their translations where there are some. */
export interface ClassNames {
  readonly labels: readonly string[];
  readonly translations?: Translations;
}

/** Bytes a file of names may have; ImageNet's 21,000 have a hundredth of it. */
const MOST_BYTES = 1 << 24;

/**
 * Reads class names from
 *
 * - a folder with a folder a class, sorted as torchvision's ImageFolder and Keras' image_dataset_from_directory do;
 * - a text file with a name a line; a number before each that counts them, as Teachable Machine writes it, and
 *   ImageNet's numbers (`n01440764`) are left out;
 * - JSON: a list of names; `{"0": "cat"}` or `{"cat": 0}`, `id2label` and `class_to_idx` as libraries save them; or
 *   `{"labels": [...], "translations": {"de": [...]}}`.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`, `ERR_INVALID_ARGUMENT` for what is none of these
 */
export async function readClassNames(path: string): Promise<ClassNames> {
  const failed = (cause: unknown): NeonsenseError =>
    fileError(cause, `There are no class names at ${path}`, `The class names at ${path} can't be read`);
  const entry = await stat(path).catch((cause: unknown) => {
    throw failed(cause);
  });
  if (entry.isDirectory()) {
    const entries = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
      throw failed(cause);
    });
    const folders = entries.filter((one) => one.isDirectory() && !one.name.startsWith('.')).map(({ name }) => name);
    if (folders.length === 0) throw unfit(path, 'a folder a class', 'no folder');
    return { labels: folders.sort((a, b) => (a < b ? -1 : 1)) };
  }
  if (!entry.isFile() || entry.size > MOST_BYTES) {
    throw unfit(path, `a file of at most ${MOST_BYTES} bytes`, entry.isFile() ? `${entry.size} bytes` : 'no file');
  }
  const text = (
    await readFile(path, 'utf8').catch((cause: unknown) => {
      throw failed(cause);
    })
  ).replace(/^\uFEFF/, '');
  return /^\s*[[{]/.test(text) ? fromJson(path, text) : { labels: fromLines(path, text) };
}

function fromLines(path: string, text: string): readonly string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  const empty = lines.indexOf('');
  if (lines.length === 0 || empty >= 0) {
    throw unfit(path, 'a name a line', lines.length === 0 ? 'nothing' : `line ${empty + 1} without one`);
  }
  const isCounted = lines.every((line, index) => line.startsWith(`${index} `));
  const isSynset = lines.every((line) => /^n\d{8} /.test(line));
  return isCounted || isSynset ? lines.map((line) => line.slice(line.indexOf(' ')).trim()) : lines;
}

const EXPECTED = 'a list of names, or an object such as {"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}';

function fromJson(path: string, text: string): ClassNames {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unfit(path, EXPECTED, `what is no JSON (${(error as Error).message})`);
  }
  const { labels, translations, ...rest } = value as { readonly labels?: unknown; readonly translations?: unknown };
  if (!Array.isArray(value) && Array.isArray(labels) && Object.keys(rest).length === 0) {
    // What translations may be is checked where the model is read.
    return {
      labels: names(path, labels),
      ...(translations === undefined ? {} : { translations: translations as Translations }),
    };
  }
  return { labels: names(path, value) };
}

function names(path: string, value: unknown): readonly string[] {
  const list = Array.isArray(value) ? (value as unknown[]) : inOrder(value);
  // Keras' imagenet_class_index.json has a synset before each name.
  const last = list?.map((one) => (Array.isArray(one) ? (one.at(-1) as unknown) : one));
  if (last === undefined || last.length === 0 || !last.every((one) => typeof one === 'string' && one !== '')) {
    throw unfit(path, EXPECTED, quoted(JSON.stringify(value), 120));
  }
  return last as string[];
}

/** The values of an object by its keys' numbers, or its keys by their values; undefined where these do not count up. */
function inOrder(value: unknown): unknown[] | undefined {
  const entries = Object.entries(value as object);
  const isIndex = (n: unknown): boolean => Number.isInteger(n) && (n as number) >= 0 && (n as number) < entries.length;
  const place = (pairs: readonly (readonly [unknown, unknown])[]): unknown[] | undefined => {
    const list = new Array<unknown>(entries.length);
    for (const [index, name] of pairs) if (isIndex(index)) list[index as number] = name;
    return Object.keys(list).length === entries.length ? list : undefined;
  };
  return (
    place(entries.map(([key, name]) => [/^\d+$/.test(key) ? Number(key) : undefined, name])) ??
    place(entries.map(([name, index]) => [index, name]))
  );
}

function unfit(path: string, expected: string, found: string): NeonsenseError {
  return new NeonsenseError('ERR_INVALID_ARGUMENT', `--classes: expected ${expected} in ${path} but found ${found}`);
}
