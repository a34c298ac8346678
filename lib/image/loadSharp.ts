import { NeonsenseError } from '../errors.js';
import { machineLimit } from '../machineLimit.js';

export type Sharp = typeof import('sharp').default;
let loading: Promise<Sharp> | undefined;

/**
 * The picture decoder: sharp, an optional peer dependency of hundreds of megabytes, which raw pixels do without. Loaded
 * by the first picture that needs it.
 *
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` where it is not installed or does not load on this platform, `ERR_IO` where a
 *   limit of the machine keeps it from loading
 */
export async function loadSharp(): Promise<Sharp> {
  loading ??= import('sharp').then((module) => module.default);
  try {
    return await loading;
  } catch (cause) {
    loading = undefined;
    const limit = machineLimit(cause);
    if (limit !== undefined) {
      throw new NeonsenseError('ERR_IO', `The picture decoder sharp can't be loaded now: ${limit}`, { cause });
    }
    const missing = /^(ERR_)?MODULE_NOT_FOUND$/.test(String((cause as NodeJS.ErrnoException | null)?.code));
    const [why = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1);
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      missing
        ? 'Decoding picture files needs the package sharp, which is not installed: run `npm install sharp`, or pass ' +
            'raw pixels instead'
        : `Decoding picture files needs the package sharp, which is installed but does not load here (${why}): run ` +
            '`npm install --include=optional sharp` on this machine, or pass raw pixels instead',
      { cause },
    );
  }
}
