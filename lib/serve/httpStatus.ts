import { type ErrorCode, NeonsenseError } from '../errors.js';

/** 4xx: what was asked for can't be done as it was asked; 5xx: it could, elsewhere or later. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  ERR_INVALID_ARGUMENT: 400,
  ERR_DATASET: 400,
  ERR_NOT_FOUND: 404,
  ERR_UNSUPPORTED: 415,
  ERR_IMAGE: 422,
  ERR_MODEL_FORMAT: 422,
  ERR_MODEL_ARCHITECTURE: 422,
  ERR_ABORTED: 499,
  ERR_DISPOSED: 503,
  ERR_IO: 500,
  ERR_NATIVE_LOAD: 500,
  ERR_NATIVE: 500,
};

/**
 * The HTTP status that says of an error what its code says: 400 for a wrong argument, 422 for bytes that are no picture,
 * 499 for an aborted call, 500 for everything that is nobody's fault who sent a request.
 */
export function httpStatus(error: unknown): number {
  try {
    return error instanceof NeonsenseError ? STATUS[error.code] : 500;
  } catch {
    // A revoked proxy can't even be asked what it is.
    return 500;
  }
}
