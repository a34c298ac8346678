// The commands of docs/recipes.md, run as they stand there, each recipe in a folder that has its files and a picture.
// neonsense is the packed tarball, the frameworks come from the npm registry in the versions of examples/recipes/.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { finish, projectRoot } from '../cli/run.js';
import { asUser, ran, type User, wanted } from './asUser.js';
import { invokeLambda } from './lambda.js';
import { recipes } from './page.js';

/** What shows that a recipe's commands did what they are for, where that is not the label alone. */
const SHOWS: Readonly<Record<string, RegExp>> = {
  express: /"label":"clock"[^]*HTTP\/1.1 422/,
  fastify: /"label":"clock"[^]*HTTP\/1.1 422/,
  next: /"label":"clock"[^]*HTTP\/1.1 422/,
  jest: /✓ a drawing of a clock is a clock/,
  vitest: /1 passed/,
  lambda: /"label":"clock"/,
};

/** The binary that the recipe for Lambda keeps. */
const hasArm64 = existsSync(join(projectRoot, 'prebuilds/linux-arm64'));

describe.skipIf(!wanted)('with the packed package (skipped without NEONSENSE_RECIPES=1: installs frameworks)', () => {
  let user: User;
  const background: ChildProcessWithoutNullStreams[] = [];

  beforeAll(async () => {
    user = await asUser();
  }, 120_000);
  afterEach(async () => {
    for (const child of background.splice(0)) {
      const ended = finish(child);
      // Its group: the shell and the program.
      process.kill(-child.pid!, 'SIGTERM');
      await ended;
    }
  });
  // Thousands of files.
  afterAll(() => user?.remove(), 180_000);

  // Containers are container.test.ts'.
  const here = recipes().filter(({ name }) => name !== 'docker');
  it.for(here)('$title', { timeout: 300_000 }, async (recipe, { skip }) => {
    const { name, commands, dependencies } = recipe;
    skip(name === 'lambda' && !hasArm64, 'needs the prebuilt binary for linux-arm64');
    const port = await freePort();
    const options = { cwd: user.folderOf(recipe), env: { ...user.environment, PORT: String(port) } };
    let said = '';
    for (const command of commands) {
      const line = user.pinned(command, dependencies).replaceAll(/\b3000\b/g, String(port));
      if (line.startsWith('curl ')) await listening(port);
      if (line.endsWith(' &')) {
        background.push(spawn('/bin/sh', ['-c', line.slice(0, -2)], { ...options, detached: true }));
      } else said += await ran(line, options);
    }
    if (name === 'lambda') said += await invokeLambda(options.cwd);
    expect(said).toMatch(SHOWS[name] ?? /^clock$/m);
  });
});

/** Resolves when somebody listens there. */
async function listening(port: number): Promise<void> {
  const answers = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, 'localhost');
      socket.on('error', () => resolve(false));
      socket.on('connect', () => {
        socket.end();
        resolve(true);
      });
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
