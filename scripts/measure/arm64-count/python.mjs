// An arm64 Python under qemu-user with the engines that come as wheels: nothing of it is installed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from '../../build/make-once.mjs';
import { debianLibraries } from '../../proof/debian.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const programs = join(root, 'scripts', 'measure', 'peers');
/** Debian's own Python of the suite that debian.mjs unpacks. */
const VERSION = '3.13';
const PACKAGES = [
  ...[`libpython${VERSION}-stdlib`, `libpython${VERSION}-minimal`, `python${VERSION}-minimal`],
  ...['libc6', 'libgcc-s1', 'libstdc++6', 'libgomp1', 'zlib1g', 'libexpat1', 'libffi8', 'libssl3t64', 'libbz2-1.0'],
  'liblzma5',
];
const WHEELS = ['numpy', 'ncnn', 'MNN'];

/** Peers that are counted: those of which `arm64Module` says which mapped file is their own. LiteRT crashes in emulation. */
export const countedPeers = JSON.parse(readFileSync(join(programs, 'pythonPeers.json'), 'utf8'))
  .filter(({ arm64Module }) => arm64Module !== undefined)
  .map(({ engine, program, arm64Module, made, precisions, arm64Precisions }) => ({
    name: engine,
    program: join(programs, program),
    module: arm64Module,
    extension: made.extension,
    precisions: [...precisions, ...arm64Precisions],
  }));

/**
 * Fetches what is missing.
 * @returns {{ command: (cpu: string, args: string[]) => string[], env: Record<string, string> }}
 */
export function arm64Python() {
  const tools = join(root, 'build-tools');
  mkdirSync(tools, { recursive: true });
  const system = debianLibraries('arm64', PACKAGES, tools);
  const site = join(tools, `python-${VERSION}-arm64`);
  once(site, fetchWheels);
  return {
    command: (cpu, args) => [
      'qemu-aarch64',
      '-cpu',
      cpu,
      '-L',
      system,
      join(system, 'usr/bin', `python${VERSION}`),
      ...args,
    ],
    env: { PYTHONPATH: site, PYTHONHOME: join(system, 'usr'), PYTHONDONTWRITEBYTECODE: '1' },
  };
}

/** The versions that the times are measured with (requirements.txt), for the other CPU. */
function fetchWheels(into) {
  const pinned = readFileSync(join(programs, 'requirements.txt'), 'utf8').split('\n');
  const wanted = WHEELS.map((name) => pinned.find((line) => line.startsWith(`${name}==`)));
  const platforms = [
    'manylinux2014_aarch64',
    'manylinux_2_17_aarch64',
    'manylinux_2_27_aarch64',
    'manylinux_2_28_aarch64',
  ];
  console.error(`fetching ${wanted.join(', ')} for arm64 ...`);
  const args = ['-m', 'pip', 'install', '-q', '--no-deps', '--only-binary=:all:', '--python-version', VERSION];
  const result = spawnSync(
    'python3',
    [...args, ...platforms.flatMap((name) => ['--platform', name]), '--target', into, ...wanted],
    { encoding: 'utf8' },
  );
  if (result.status !== 0) throw new Error(`pip failed: ${result.error?.message ?? result.stderr.trim()}`);
}
