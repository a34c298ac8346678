import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../cli/run.js';
import { pack, unpack } from '../package/packed.js';

/**
 * Puts the packed package and sharp into node_modules/ of `folder`, as `npm install neonsense sharp` does.
 *
 * @returns the program that `npx neonsense` starts there
 */
export async function install(folder: string): Promise<string> {
  const modules = join(folder, 'node_modules');
  const { tarball, remove } = await pack();
  unpack(tarball, join(modules, 'neonsense'));
  remove();
  mkdirSync(modules, { recursive: true });
  symlinkSync(join(projectRoot, 'node_modules/sharp'), join(modules, 'sharp'));
  return join(modules, 'neonsense/dist/cli/main.js');
}
