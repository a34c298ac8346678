import { basename, resolve, sep } from 'node:path';

/**
 * What to call each file in a result: its file name, with as many of the folders above it as it takes to tell it from the
 * other files of the list. Where a file lies on this machine is nobody's business who reads the result.
 */
export function shortNames(files: readonly string[]): (file: string) => string {
  const paths = [...new Set(files.map((file) => resolve(file)))];
  return (file) => {
    const parts = resolve(file)
      .split(sep)
      .filter((part) => part !== '');
    const others = paths.filter((path) => path !== resolve(file)).map((path) => `${sep}${path}`);
    for (let taken = 1; taken <= parts.length; taken++) {
      const suffix = parts.slice(-taken);
      if (!others.some((path) => path.endsWith(`${sep}${suffix.join(sep)}`))) return suffix.join('/');
    }
    // Every part of it is also the end of another's path.
    return parts.join('/') || basename(file);
  };
}
