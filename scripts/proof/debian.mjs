// Packages of a newer Debian than the one that runs, unpacked into a folder of their own: none gets installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from '../build/make-once.mjs';

/** Debian 12's musl 1.2.3 does not know packed relocations (RELR), and its glibc is too old for Jazzer.js. */
const SUITE = 'trixie';
const CPUS = { x64: 'amd64', arm64: 'arm64' };
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Unpacks packages once, by apt with a source list, package lists and CPU of its own.
 * @param {'x64' | 'arm64'} arch
 * @param {string[]} packages
 * @param {string} tools  folder for what is fetched
 * @returns {string} the folder that stands for /
 */
export function debianLibraries(arch, packages, tools) {
  const root = join(tools, `${packages[0]}-${SUITE}-${arch}`);
  once(root, (into) => unpack(arch, packages, into));
  return root;
}

function unpack(arch, packages, into) {
  console.error(`fetching ${packages.join(', ')} of Debian ${SUITE}, ${arch} ...`);
  const targets = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages']);
  const mirror = targets.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (mirror === undefined) throw new Error('no source list of apt names a Debian mirror to take them from');
  const state = join(into, '.apt');
  for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, folder), { recursive: true });
  writeFileSync(
    join(state, 'debian.sources'),
    ['Types: deb', `URIs: ${mirror}`, `Suites: ${SUITE}`, 'Components: main', `Signed-By: ${KEYRING}`, ''].join('\n'),
  );
  const options = {
    'APT::Architecture': CPUS[arch],
    'APT::Architectures': CPUS[arch],
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
  run('apt-get', [...flags, 'download', '-q', ...packages], { cwd: state });
  run('sh', ['-c', 'for deb in "$1"/*.deb; do dpkg-deb -x "$deb" "$2" || exit; done', 'sh', state, into]);
  rmSync(state, { recursive: true, force: true });
  if (!existsSync(join(into, 'lib'))) symlinkSync('usr/lib', join(into, 'lib'));
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}
