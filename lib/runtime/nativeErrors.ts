import { describe, NeonsenseError } from '../errors.js';

/** The addon's plain errors as ours, with the JavaScript stack of the caller. */
function nativeError(error: unknown): NeonsenseError {
  const message = error instanceof Error ? error.message : describe(error);
  return new NeonsenseError('ERR_NATIVE', message, { cause: error });
}

/** @throws {NeonsenseError} `ERR_NATIVE` for what `call` throws */
export function callNative<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw nativeError(error);
  }
}

/** @throws {NeonsenseError} `ERR_NATIVE` for what `call` throws or rejects with */
export async function awaitNative<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw nativeError(error);
  }
}
