#!/usr/bin/env node
// Prints one SHA-256 over the content of files and folders, whatever their time stamps:  node scripts/setup/hash-tree.mjs
// PATH...

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Written by scripts/setup/vendor.mjs into each source folder; no part of its content. */
export const STAMP = '.neonsense-pin.json';

/** SHA-256 over all files below a folder (path, kind, content) in the order of their paths; no .git, no stamp. */
export function hashTree(root) {
  const hash = createHash('sha256');
  const entries = [];
  const walk = (relative) => {
    for (const entry of readdirSync(join(root, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (path === '.git' || path === STAMP) continue;
      if (entry.isDirectory()) walk(path);
      else entries.push([path, entry.isSymbolicLink()]);
    }
  };
  walk('');
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [path, isLink] of entries) {
    const content = isLink ? Buffer.from(readlinkSync(join(root, path))) : readFileSync(join(root, path));
    hash.update(`${isLink ? 'link' : 'file'} ${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

export function hashFile(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** One path gives its own hash, several one hash over their names and hashes; one that is absent counts as such. */
function hashPaths(paths) {
  const hashOf = (path) =>
    !existsSync(path) ? 'absent' : statSync(path).isDirectory() ? hashTree(path) : hashFile(path);
  if (paths.length === 1) return hashOf(paths[0]);
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0${hashOf(path)}\n`);
  return hash.digest('hex');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  console.log(hashPaths(process.argv.slice(2)));
}
