// Ways to run a Node program on a target: natively, with Node of a version from npm, with Node for musl, emulated, or
// under Wine.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareMusl } from './musl.mjs';
import { prepareWine } from './wine.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const tools = join(root, 'build-tools');

/**
 * @typedef {{ how: string, command: () => string[] }} Runner
 *   how: for people; command: program and first arguments, fetched when called
 *
 * @param {{ platform: string, arch: string, libc?: string }} target
 * @param {{ nodes: string[], cpus: string[], docker?: boolean }} wanted  Node versions (`host` is the one that runs
 *   this),
 *   CPUs to emulate, whether to run musl binaries in Alpine containers
 * @param {{ platform: string, arch: string, libc?: string }} host
 * @returns {Runner[]} empty where this machine has no way
 */
export function runnersFor(target, { nodes, cpus, docker = false }, host = hostPlatform()) {
  const { platform, arch, libc } = target;
  if (platform === 'win32' && host.platform === 'linux' && arch === 'x64' && host.arch === 'x64') {
    return nodes.filter((version) => version !== 'host').map(wine);
  }
  if (platform !== host.platform) return [];
  if (platform === 'linux' && libc === 'musl' && host.libc !== 'musl') {
    if (arch !== host.arch) return emulated(target, host, nodes, cpus);
    return docker ? nodes.filter((each) => /^\d+$/.test(each)).map(alpine) : [muslNode(arch)];
  }
  if (arch !== host.arch) return emulated(target, host, nodes, cpus);
  if (libc !== host.libc) return [];
  return nodes.map((version) =>
    version === 'host' || platform !== 'linux' || libc === 'musl'
      ? { how: `native, Node ${process.versions.node}`, command: () => [process.execPath] }
      : { how: `native, Node ${version} of npm`, command: () => [npmNode(`linux-${arch}`, version)] },
  );
}

/** @returns {{ platform: string, arch: string, libc?: 'glibc' | 'musl' }} what runs this */
export function hostPlatform() {
  const { platform, arch } = process;
  if (platform !== 'linux') return { platform, arch };
  return {
    platform,
    arch,
    libc: process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc',
  };
}

function muslNode(arch) {
  return {
    how: 'native, Node 24 for musl, started by the loader of musl',
    command: () => {
      const { loader, node } = prepareMusl(arch, tools);
      return [loader, node];
    },
  };
}

function wine(version) {
  return {
    how: `Wine, Node ${version} of npm`,
    command: () => [...prepareWine(tools), npmNode('win-x64', version)],
  };
}

function alpine(version) {
  const mount = `type=bind,source=${root},target=${root},readonly`;
  return {
    how: `Alpine container, Node ${version}`,
    command: () => [
      'docker',
      'run',
      '--rm',
      '--mount',
      mount,
      '--env',
      'NEONSENSE_BINARY',
      `node:${version}-alpine`,
      'node',
    ],
  };
}

function emulated({ arch, libc }, host, nodes, cpus) {
  if (arch !== 'arm64' || host.platform !== 'linux') return [];
  const script = join(root, 'scripts', 'proof', 'run-arm64.mjs');
  // One version of Node: emulation is for CPUs. Node's own version does not change which instructions run here.
  const version = libc === 'musl' ? [] : ['--node', nodes.find((each) => /^\d+$/.test(each)) ?? '22'];
  return cpus.map((cpu) => ({
    how: `qemu-user, ${cpu}`,
    command: () => [process.execPath, script, '--cpu', cpu, '--libc', libc, ...version, '--'],
  }));
}

/** Node from the npm package node-PLATFORM-ARCH: `npm install` would refuse other platforms, `npm pack` does not. */
function npmNode(system, version) {
  const name = `node-${system}`;
  const found = JSON.parse(run('npm', ['view', `${name}@${version}`, 'version', '--json']));
  const newest = [found].flat().sort(compareVersions).at(-1);
  const home = join(tools, `${name}-${newest}`);
  if (!existsSync(home)) {
    console.error(`fetching ${name}@${newest} ...`);
    mkdirSync(tools, { recursive: true });
    const temporary = mkdtempSync(join(tools, '.npm-'));
    try {
      run('npm', ['pack', '--silent', '--pack-destination', temporary, `${name}@${newest}`]);
      const tarball = readdirSync(temporary).find((each) => each.endsWith('.tgz'));
      mkdirSync(join(temporary, 'x'));
      run('tar', ['-xzf', join(temporary, tarball), '-C', join(temporary, 'x'), '--strip-components=1']);
      renameSync(join(temporary, 'x'), home);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
  return join(home, 'bin', system.startsWith('win-') ? 'node.exe' : 'node');
}

function compareVersions(a, b) {
  const [left, right] = [a, b].map((each) => each.split('.').map(Number));
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}
