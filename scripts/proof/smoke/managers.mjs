// How each package manager installs neonsense from the registry given, and how a program is run then.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

/** Pinned, so that a smoke test that fails tomorrow fails because of us. */
const TOOLS = {
  pnpm: '10.34.8',
  '@yarnpkg/cli-dist': '4.18.1',
  'yarn-classic': 'npm:yarn@1.22.22',
  bun: '1.4.5',
  deno: '2.9.6',
  '@arethetypeswrong/cli': '0.18.5',
  publint: '0.3.25',
};

/** Installs the package managers, once, into a folder that git ignores. None of their install scripts is run. */
export async function installTools(folder, env) {
  const manifest = JSON.stringify({ private: true, dependencies: TOOLS });
  const stamp = join(folder, 'node_modules', '.installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === manifest) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), manifest);
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, env });
  writeFileSync(stamp, manifest);
}

const node = process.execPath;
const withNode = (file) => [node, file];

/**
 * @param {string} tools The folder of {@link installTools}.
 * Each has `settings(url)`: files by name; `install`: argument lists; `program(file)`: how to run one; `env`; and
 * `available()`, where its binary may be missing on this machine.
 */
export function managers(tools) {
  const bin = (...path) => join(tools, 'node_modules', ...path);
  const arch = process.arch === 'arm64' ? 'aarch64' : process.arch;
  const bun = bin(`@oven/bun-${process.platform}-${arch}`, 'bin', 'bun');
  const libc = process.platform === 'linux' ? '-glibc' : '';
  const deno = bin(`@deno/${process.platform}-${process.arch}${libc}`, 'deno');
  const npmrc = (url) => ({ '.npmrc': `registry=${url}\n` });
  const berry = (linker) => ({
    settings: (url) => ({
      '.yarnrc.yml': [
        `npmRegistryServer: "${url}"`,
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        `nodeLinker: ${linker}`,
        'enableGlobalCache: false',
        'enableTelemetry: false',
        'enableImmutableInstalls: false',
        '',
      ].join('\n'),
      // Else Yarn looks for a project above, and takes a missing lockfile for a mistake.
      'yarn.lock': '',
    }),
    install: [node, bin('@yarnpkg/cli-dist', 'bin', 'yarn.js'), 'install'],
  });
  const berryProgram = (file) => [node, bin('@yarnpkg/cli-dist', 'bin', 'yarn.js'), 'node', file];
  return {
    npm: { settings: npmrc, install: ['npm', 'install'], program: withNode },
    'npm --ignore-scripts': { settings: npmrc, install: ['npm', 'install', '--ignore-scripts'], program: withNode },
    'npm --omit=optional': { settings: npmrc, install: ['npm', 'install', '--omit=optional'], program: withNode },
    pnpm: {
      settings: npmrc,
      install: [node, bin('pnpm', 'bin', 'pnpm.cjs'), 'install', '--no-frozen-lockfile'],
      program: withNode,
    },
    'yarn 1': {
      settings: (url) => ({ '.yarnrc': `registry "${url}"\n`, ...npmrc(url) }),
      install: [node, bin('yarn-classic', 'bin', 'yarn.js'), 'install', '--non-interactive'],
      program: withNode,
    },
    'yarn 4, node-modules': { ...berry('node-modules'), program: withNode },
    'yarn 4, PnP': { ...berry('pnp'), program: berryProgram },
    bun: {
      settings: npmrc,
      install: [bun, 'install'],
      program: (file) => [bun, file],
      available: () => existsSync(bun),
    },
    deno: {
      settings: npmrc,
      install: [deno, 'install'],
      program: (file) => [deno, 'run', '--allow-all', file],
      available: () => existsSync(deno),
    },
  };
}

/** Checks package.json and the files it names for what trips up bundlers, Node and package managers. */
export function packageLint(tools, tarball) {
  return [node, join(tools, 'node_modules', 'publint', 'src', 'cli.js'), tarball, '--strict'];
}

/** Checks what `exports` and types say for every way TypeScript and Node resolve a package. */
export function typesWrong(tools, tarball) {
  const attw = join(tools, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js');
  return [node, attw, tarball, '--exclude-entrypoints', 'package.json', '--format', 'ascii'];
}
