// The commands of docs/recipes.md, run as they stand there, each recipe in a folder that has its files and a picture.
// neonsense is the packed tarball, the frameworks come from the npm registry in the versions of examples/recipes/.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, finish, projectRoot } from '../cli/run.js';
import { canPack, type Packed, pack } from '../package/packed.js';
import { type Recipe, recipes } from './page.js';

const wanted = process.env['NEONSENSE_RECIPES'] === '1' && canPack;

/** What shows that a recipe's commands did what they are for, where that is not the label printed. */
const SHOWS: Readonly<Record<string, RegExp>> = {
  Jest: /✓ a drawing of a clock is a clock/,
  Vitest: /1 passed/,
  Express: /"label":"clock"[^]*HTTP\/1.1 422/,
  Fastify: /"label":"clock"[^]*HTTP\/1.1 422/,
};

describe.skipIf(!wanted)('with the packed tarball (skipped without NEONSENSE_RECIPES=1: installs frameworks)', () => {
  let packed: Packed;
  let port: number;
  let environment: NodeJS.ProcessEnv;
  const background: ChildProcess[] = [];

  beforeAll(async () => {
    packed = await pack();
    const script = join(projectRoot, 'scripts/proof/smoke/environment.mjs');
    const { cleanEnvironment } = (await import(script)) as {
      cleanEnvironment(home: string): NodeJS.ProcessEnv;
    };
    // The user's home, so that npm has its cache.
    environment = {
      ...cleanEnvironment(packed.folder),
      HOME: process.env['HOME'],
      npm_config_prefer_offline: 'true',
      NO_COLOR: '1',
    };
  }, 120_000);
  afterEach(async () => {
    for (const child of background.splice(0)) {
      const ended = finish(child as Parameters<typeof finish>[0]);
      process.kill(-child.pid!, 'SIGTERM');
      await ended;
    }
  });
  afterAll(() => packed?.remove());

  /** neonsense from the tarball, everything else in the version that the recipe's package.json has. */
  const pinned = (line: string, { folder }: Recipe): string => {
    const text = readFileSync(join(folder, 'package.json'), 'utf8');
    const { dependencies } = JSON.parse(text) as { dependencies: Record<string, string> };
    const versioned = (name: string): string =>
      name === 'neonsense' ? packed.tarball : dependencies[name] === undefined ? name : `${name}@${dependencies[name]}`;
    return line.split(' ').map(versioned).join(' ');
  };

  async function run(command: string, cwd: string): Promise<Finished> {
    const line = command.replaceAll('3000', String(port)).replace(/ &$/, '');
    if (line.startsWith('curl ')) await listening(port);
    const options = { cwd, env: { ...environment, PORT: String(port) }, detached: true };
    const child = spawn('/bin/bash', ['-c', line], options);
    if (!command.endsWith(' &')) return await finish(child);
    background.push(child);
    return { code: 0, stdout: '', stderr: '' };
  }

  it.each(recipes())('$title', { timeout: 180_000 }, async (recipe) => {
    port = await freePort();
    const folder = join(packed.folder, recipe.folder.split('/').at(-1)!);
    mkdirSync(folder);
    for (const name of recipe.files.keys()) cpSync(join(recipe.folder, name), join(folder, name));
    cpSync(join(projectRoot, 'examples/clock.png'), join(folder, 'clock.png'));
    let said = '';
    for (const command of recipe.commands) {
      const line = command.startsWith('npm install ') ? pinned(command, recipe) : command;
      const { code, stdout, stderr } = await run(line, folder);
      expect(code, `${line}\n${stdout}\n${stderr}`).toBe(0);
      said += stdout + stderr;
    }
    expect(said).toMatch(SHOWS[recipe.title] ?? /^clock$/m);
  });
});

/** Resolves when somebody listens there. */
async function listening(port: number): Promise<void> {
  const answers = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, 'localhost');
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.end());
    });
  await expect.poll(answers, { timeout: 60_000, interval: 100 }).toBe(true);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
