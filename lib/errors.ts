import { machineLimit } from './machineLimit.js';

/**
 * What went wrong, for programs. The message says it for people: which argument, what was expected, what came, what
 * to do about it.
 */
export type ErrorCode =
  /** An argument has the wrong type or value. */
  | 'ERR_INVALID_ARGUMENT'
  /** A file or directory does not exist, or holds nothing that can be used. */
  | 'ERR_NOT_FOUND'
  /** Reading or writing failed for a reason of the operating system's. */
  | 'ERR_IO'
  /** A model file is damaged, cut short, or not of a format that can be read. */
  | 'ERR_MODEL_FORMAT'
  /** The weights are well formed but belong to another network, or have the wrong shape or unusable values. */
  | 'ERR_MODEL_ARCHITECTURE'
  /** A well-formed request that this model, precision or machine does not allow. */
  | 'ERR_UNSUPPORTED'
  /** A picture can't be decoded. */
  | 'ERR_IMAGE'
  /** A data set or its labels do not fit the model or each other. */
  | 'ERR_DATASET'
  /** The session or classifier was disposed before or during the call. */
  | 'ERR_DISPOSED'
  /** The AbortSignal given fired. */
  | 'ERR_ABORTED'
  /** The native addon could not be loaded. */
  | 'ERR_NATIVE_LOAD'
  /** The native engine refused a plan or failed while running it. */
  | 'ERR_NATIVE';

/** The one error class this package throws. */
export class NeonsenseError extends Error {
  /** Machine-readable cause. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = code === 'ERR_ABORTED' ? 'AbortError' : 'NeonsenseError';
    this.code = code;
  }
}

/** What the file system refused: `ERR_NOT_FOUND` where nothing is at the path, else `ERR_IO` with the system's reason. */
export function fileError(cause: unknown, missing: string, failed: string): NeonsenseError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === 'ENOENT'
    ? new NeonsenseError('ERR_NOT_FOUND', missing, { cause })
    : new NeonsenseError('ERR_IO', `${failed}: ${machineLimit(cause) ?? shortened(message)}`, { cause });
}

/** Abort errors by their signals: a thousand calls that one signal ends would spend their time on a thousand stacks. */
const abortErrors = new WeakMap<AbortSignal, NeonsenseError>();

/** The error of a signal that has fired, one for all it ends; its `cause` is the signal's reason. */
export function abortError(signal: AbortSignal): NeonsenseError {
  let error = abortErrors.get(signal);
  if (error === undefined) {
    error = new NeonsenseError('ERR_ABORTED', 'The operation was aborted by its signal', { cause: signal.reason });
    abortErrors.set(signal, error);
  }
  return error;
}

/** Throws the abort error when `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** No message quotes more of an input than this many characters. */
const LONGEST_QUOTE = 200;

/** `text` for a message: as it is, or its beginning where it is long. */
export function shortened(text: string, longest = LONGEST_QUOTE): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 3)}...`;
}

/** `text` in quotes, control characters escaped, for a message. */
export function quoted(text: string, longest?: number): string {
  return JSON.stringify(shortened(text, longest));
}

/** `received` for a message: the value's type and a short rendering of it. Never throws. */
export function describe(received: unknown): string {
  try {
    return shortened(rendered(received));
  } catch {
    // A revoked proxy, or an object whose properties throw.
    return `a value of type ${typeof received} that cannot be looked at`;
  }
}

function rendered(received: unknown): string {
  if (received === null || received === undefined) return String(received);
  if (typeof received === 'bigint') return `${String(received)} of type bigint`;
  if (typeof received === 'symbol') return `${String(received)} of type symbol`;
  if (typeof received === 'function') return 'a function';
  if (ArrayBuffer.isView(received) && 'length' in received) {
    return `${nameOfClass(received)} of length ${String(received.length)}`;
  }
  if (Array.isArray(received)) return `an array of length ${received.length}`;
  if (typeof received === 'object') return `an object of type ${nameOfClass(received)}`;
  return `${typeof received === 'string' ? quoted(received, 160) : String(received)} of type ${typeof received}`;
}

function nameOfClass(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'null prototype';
}

/** An `ERR_INVALID_ARGUMENT` in the one form used everywhere: "Expected X for `name` but received Y". */
export function invalidArgument(name: string, expected: string, received: unknown): NeonsenseError {
  return new NeonsenseError(
    'ERR_INVALID_ARGUMENT',
    `Expected ${expected} for \`${name}\` but received ${describe(received)}`,
  );
}

/**
 * What `look` finds in an argument, which may be anything: where reading it throws (a revoked proxy, a property that
 * throws, a part that is missing), the argument is at fault, not this package.
 *
 * @throws {NeonsenseError} what `look` throws on purpose, else `ERR_INVALID_ARGUMENT` with the error as its cause.
 */
export function examined<T>(name: string, expected: string, received: unknown, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    if (cause instanceof NeonsenseError) throw cause;
    const { message } = invalidArgument(name, expected, received);
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', message, { cause });
  }
}

/** As {@link examined}, for a look that takes time: a function of the caller's that is called again and again. */
export async function examinedAsync<T>(
  name: string,
  expected: string,
  received: unknown,
  look: () => Promise<T>,
): Promise<T> {
  let fault: unknown;
  try {
    return await look();
  } catch (error) {
    fault = error;
  }
  return examined(name, expected, received, () => {
    throw fault;
  });
}
