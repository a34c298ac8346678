import { basename } from 'node:path';

/** What to call each file in a table: its last part where no other file of the list shares it, else the whole path. */
export function shortNames(files: readonly string[]): (file: string) => string {
  const owners = new Map<string, Set<string>>();
  for (const file of files) {
    const name = basename(file);
    owners.set(name, (owners.get(name) ?? new Set()).add(file));
  }
  return (file) => (owners.get(basename(file))?.size === 1 ? basename(file) : file);
}
