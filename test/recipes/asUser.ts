// What a user has who follows docs/recipes.md: the packed package, npm, a picture.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { finish, projectRoot } from '../cli/run.js';
import { canPack, pack } from '../package/packed.js';
import type { Recipe } from './page.js';

/** Installing frameworks takes minutes, so it is asked for. */
export const wanted = process.env['NEONSENSE_RECIPES'] === '1' && canPack;

export interface User {
  readonly environment: NodeJS.ProcessEnv;
  /** A folder of one's own for everything. */
  readonly folder: string;
  readonly remove: () => void;
  /** A folder with the files of a recipe and the picture. */
  folderOf(recipe: Recipe): string;
  /** `line` with neonsense from the tarball, and everything else in the version that the recipe's package.json has. */
  pinned(line: string, versions: Readonly<Record<string, string>>): string;
}

export async function asUser(): Promise<User> {
  const { tarball, folder, remove } = await pack();
  const script = join(projectRoot, 'scripts/proof/smoke/environment.mjs');
  const { cleanEnvironment } = (await import(script)) as { cleanEnvironment(home: string): NodeJS.ProcessEnv };
  return {
    folder,
    remove,
    environment: {
      ...cleanEnvironment(folder),
      // Where npm has its cache.
      HOME: process.env['HOME'],
      npm_config_prefer_offline: 'true',
      NEXT_TELEMETRY_DISABLED: '1',
      NO_COLOR: '1',
    },
    folderOf: (recipe) => {
      const to = join(folder, recipe.name);
      for (const name of recipe.files.keys()) cpSync(join(recipe.folder, name), join(to, name));
      mkdirSync(to, { recursive: true });
      cpSync(join(projectRoot, 'examples/clock.png'), join(to, 'clock.png'));
      return to;
    },
    pinned: (line, versions) =>
      line.replace(/npm install [^&]+/, (install) =>
        install
          .split(' ')
          .map((word) =>
            word === 'neonsense' ? tarball : versions[word] === undefined ? word : `${word}@${versions[word]}`,
          )
          .join(' '),
      ),
  };
}

/** Runs a command to its end; the test fails where it does. Returns all that it said. */
export async function ran(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<string> {
  const { code, stdout, stderr } = await finish(spawn('/bin/sh', ['-c', command], options));
  if (code !== 0) throw new Error(`\`${command}\` ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout + stderr;
}
