import * as z from 'zod/mini';
import { describe, type ErrorCode, examined, NeonsenseError } from '../errors.js';
import { similarTo } from '../text/similar.js';

/** A schema of zod's, as the package's declarations can name it: who installs them has no zod. */
export interface Schema<T> {
  readonly _zod: { readonly output: T };
}

/** What is checked, as messages name it. */
export interface Subject {
  /** In the caller's words: `options`, `ranges`. Empty for a document, whose own keys say enough. */
  readonly name: string;
  /** Default `ERR_INVALID_ARGUMENT`. */
  readonly code?: ErrorCode;
  /** The file a document was read from. */
  readonly file?: string;
}

/**
 * Holds a value from outside against a schema, keys that nobody knows included.
 *
 * @returns the value as the schema describes it, defaults filled in
 * @throws {NeonsenseError} the subject's code; the message names the first place that is wrong, what was expected
 * there and what came
 */
export function check<T>(schema: Schema<T>, value: unknown, subject: Subject): T {
  return examined(subject.name, 'a value that can be read', value, () => checked(schema, value, subject));
}

function checked<T>(schema: Schema<T>, value: unknown, { name, code = 'ERR_INVALID_ARGUMENT', file }: Subject): T {
  const result = z.safeParse(schema as z.ZodMiniType<T>, value, { error: expectation });
  if (result.success) return result.data;
  const issue = innermost(result.error.issues[0]!);
  const place = (path: readonly PropertyKey[]): string => path.reduce<string>(below, name) || 'the document';
  const [stranger] = issue.code === 'unrecognized_keys' ? issue.keys : [];
  const message =
    stranger === undefined
      ? `Expected ${issue.message} for \`${place(issue.path)}\` but received ${describe(valueAt(value, issue.path))}`
      : `\`${place([...issue.path, stranger])}\` is not known: ${issue.message}`;
  throw new NeonsenseError(code, file === undefined ? message : `${file}: ${message}`);
}

/** What a schema that does not say so itself expects, to be put after "Expected". */
function expectation(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return listed(issue.values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value))));
    case 'too_small':
      return issue.origin === 'array' ? 'a list that is not empty' : `a number of at least ${issue.minimum}`;
    case 'too_big':
      return `a number of at most ${issue.maximum}`;
    case 'unrecognized_keys':
      return hint(issue.keys[0]!, knownKeys(issue.inst));
    default:
      return 'another value';
  }
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'an array',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a finite number',
  object: 'an object',
  record: 'an object',
  string: 'a string',
};

function listed(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join('') : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`;
}

/** The key that was probably meant, else all there are. */
function hint(key: string, known: readonly string[]): string {
  const meant = similarTo(key, known);
  return meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${meant}?`;
}

function knownKeys(schema: unknown): string[] {
  const { shape = {} } = (schema as z.core.$ZodObject)._zod.def;
  return Object.keys(shape);
}

/** Of a union the complaint of the member that understood most, where the union has no words of its own. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  // A union that goes by one key has asked no member where that key says none.
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue;
  const candidates = issue.errors.map(([first]) => first!);
  const deepest = candidates.reduce((best, each) => (depth(each) > depth(best) ? each : best));
  return depth(deepest) === 0 ? issue : innermost({ ...deepest, path: [...issue.path, ...deepest.path] });
}

/** How far into the value a complaint reaches; a surplus key is one step further than its object. */
function depth(issue: z.core.$ZodIssue): number {
  return issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0);
}

/** `options.a`, `stages[0]`, `ranges['features.0.0']`; `a` where there is nothing above. */
function below(parent: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${parent}[${key}]`;
  const name = String(key);
  if (!/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name)) return `${parent}['${name}']`;
  return parent === '' ? name : `${parent}.${name}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}
