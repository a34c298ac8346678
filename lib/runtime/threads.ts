import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { invalidArgument } from '../errors.js';

/** A session takes no more threads than this, neither here nor in the addon. */
export const MOST_THREADS = 256;

/** More threads than this rarely help a network this small. */
const MOST_BY_DEFAULT = 4;

/**
 * A number of threads that a session takes.
 *
 * @param name how messages call it
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function checkThreads(threads: unknown, name = 'threads'): number {
  if (!Number.isInteger(threads) || (threads as number) < 1 || (threads as number) > MOST_THREADS) {
    throw invalidArgument(name, `an integer from 1 to ${MOST_THREADS}`, threads);
  }
  return threads as number;
}

/**
 * Threads a session uses unless told otherwise: the fast cores, within the process's CPU affinity and the container's
 * CPU quota, at most 4.
 *
 * @param performanceCores cores of the fastest kind, see `Cpu`
 */
export function defaultThreads(performanceCores: number): number {
  return Math.max(1, Math.min(performanceCores, availableParallelism(), Math.floor(cgroupCpus()), MOST_BY_DEFAULT));
}

/**
 * CPUs the control group grants this process; Infinity without a quota, and where there are no control groups.
 *
 * @param read reads a file; for tests
 */
export function cgroupCpus(read: (file: string) => string = (file) => readFileSync(file, 'utf8')): number {
  const attempt = (file: string): string | undefined => {
    try {
      return read(file).trim();
    } catch {
      return undefined;
    }
  };
  const memberships = attempt('/proc/self/cgroup')?.split('\n') ?? [];
  const quotas = memberships.flatMap((line) => {
    const [, controllers = '', path = '/'] = line.split(':');
    if (controllers === '')
      return ancestors(path).map((folder) => version2(attempt(`/sys/fs/cgroup${folder}/cpu.max`)));
    if (!controllers.split(',').includes('cpu')) return [];
    return ancestors(path).map((folder) =>
      version1(
        attempt(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_quota_us`),
        attempt(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_period_us`),
      ),
    );
  });
  return Math.min(Infinity, ...quotas);
}

/** `/a/b` to `/a/b`, `/a`, and the empty string: a parent's quota binds too, and inside a container only the root shows. */
function ancestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('');
}

/** cgroup v2: `max 100000` or `150000 100000`. */
function version2(content: string | undefined): number {
  const [quota, period] = content?.split(' ').map(Number) ?? [];
  return ratio(quota, period);
}

/** cgroup v1: a quota of -1 means none. */
function version1(quota: string | undefined, period: string | undefined): number {
  return ratio(Number(quota), Number(period));
}

function ratio(quota: number | undefined, period: number | undefined): number {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : Infinity;
}
