/** Limits of the machine by what the system, Node and libraries say when one is met: codes, and texts without one. */
const LIMITS: readonly (readonly [pattern: RegExp, what: string])[] = [
  [
    /\b(EMFILE|ENFILE)\b|too many open files/i,
    'no more files can be opened: the limit of open files (ulimit -n) is reached',
  ],
  [
    /\bENOMEM\b|cannot allocate memory|out of memory|bad_alloc|allocation failed|ERR_MEMORY_ALLOCATION_FAILED/i,
    'there is not enough memory',
  ],
  [/\b(ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i, 'the disk is full, or its quota used up'],
  [/\bEROFS\b/, 'the file system is read-only'],
  [/\bEAGAIN\b.*\b(spawn|thread)|pthread_create/i, 'no more threads or processes can be started (ulimit -u, pids.max)'],
  [
    /\bERR_DLOPEN_DISABLED\b|loading addons is disabled/,
    'Node was told not to load native code: start it with --allow-addons beside --permission, and without --no-addons',
  ],
  [
    /\bERR_ACCESS_DENIED\b/,
    "Node's permission model forbids it: name the folder with --allow-fs-read or --allow-fs-write",
  ],
];

/**
 * What limit of the machine an error speaks of, in a sentence without its capital; undefined where it is none. Such an
 * error says nothing about the file or package in hand, so nobody should be told that these are damaged or missing.
 */
export function machineLimit(error: unknown): string | undefined {
  const { code = '', message = '', syscall = '' } = (error ?? {}) as { readonly [field: string]: unknown };
  // A system error's code and call say it all; its message also has the file's name, which may say anything.
  const text = `${String(code)} ${String(/^E[A-Z\d]+$/.test(String(code)) ? syscall : message)}`;
  return LIMITS.find(([pattern]) => pattern.test(text))?.[1];
}
