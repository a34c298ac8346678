import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The package's own folder, where package.json, models/ and the native binaries are: the nearest one upwards with a
 * package.json, so that it is found from lib/, from dist/ and from an unpacked asar alike.
 */
export const packageRoot: string = nearestPackage(dirname(fileURLToPath(import.meta.url)));

function nearestPackage(folder: string): string {
  const parent = dirname(folder);
  return parent === folder || hasPackage(folder) ? folder : nearestPackage(parent);
}

function hasPackage(folder: string): boolean {
  try {
    return existsSync(join(folder, 'package.json'));
  } catch {
    // Node's permission model grants the files we come from and not what is above them: that is the package's folder.
    return true;
  }
}

/** The package's version, for example `1.2.3`. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version;
}
