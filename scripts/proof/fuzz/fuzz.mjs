#!/usr/bin/env node
// Fuzzes what reads bytes from outside, guided by coverage:
//
//   npm run fuzz -- [--seconds N] TARGET...     of targets.cjs or native/fuzz; readers; native; all
//
// JavaScript is fuzzed with Jazzer.js (libFuzzer underneath), which npm installs into build-tools/ the first time; its
// binary wants a newer C library than Debian 12's, so there it gets one of its own. Native targets are built with
// libFuzzer and sanitizers by native.sh. What is learned stays in build-fuzz/TARGET and is where the next run starts.
// An input that is no clean refusal ends in build-fuzz/TARGET/crash-*: mend the reader, and add the input to
// test/hostile/corpus/TARGET, which the tests replay.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { once } from '../../build/make-once.mjs';
import { debianLibraries } from '../debian.mjs';
import { seeds } from './seeds.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');
const jazzer = join(root, 'build-tools', 'jazzer-4.0.0');
/** Bytes of an input at most, where a shorter one would say little. */
const LONGEST = { model: 220_000 };
const USUAL_LONGEST = 4096;
/** Targets that give no promise: these go faster. */
const SYNC = ['pickle', 'zip', 'picture', 'safetensors', 'torch', 'npz'];

const readers = Object.keys(seeds);
const nativeTargets = join(root, 'native/fuzz/CMakeLists.txt');
const native = existsSync(nativeTargets)
  ? [...readFileSync(nativeTargets, 'utf8').matchAll(/^add_executable\(fuzz_(\w+)/gm)].map(([, name]) => name)
  : [];

function fuzzReader(target, seconds) {
  installJazzer();
  const work = join(root, 'build-fuzz', target);
  const corpus = join(work, 'corpus');
  mkdirSync(corpus, { recursive: true });
  const longest = LONGEST[target] ?? USUAL_LONGEST;
  // What libFuzzer would cut says nothing.
  for (const seed of seeds[target]().filter(({ length }) => length <= longest)) {
    writeFileSync(join(corpus, createHash('sha256').update(seed).digest('hex').slice(0, 16)), seed);
  }
  const kept = join(root, 'test/hostile/corpus', target);
  const [node, ...before] = nodeForJazzer();
  return run(node, [
    ...before,
    join(jazzer, 'node_modules/@jazzer.js/core/dist/cli.js'),
    join(here, 'targets.cjs'),
    ...['--fuzzEntryPoint', target, '--includes', 'dist/internal', '--timeout', '10000'],
    ...['--disableBugDetectors', '.*'],
    ...(SYNC.includes(target) ? ['--sync'] : []),
    corpus,
    ...(existsSync(kept) ? [kept] : []),
    '--',
    ...[`-max_total_time=${seconds}`, `-max_len=${longest}`, '-rss_limit_mb=2048', '-print_final_stats=1'],
    `-artifact_prefix=${work}/`,
  ]);
}

/** Jazzer.js as package-lock.json beside this file pins it, in a folder of its own. */
function installJazzer() {
  once(jazzer, (into) => {
    console.log('installing Jazzer.js ...');
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(here, name), join(into, name));
    const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts'];
    if (run('npm', args, { cwd: into }) !== 0) throw new Error('npm could not install Jazzer.js');
  });
}

/** This Node where it can load Jazzer.js's binary, else this Node on the C library of a newer Debian. */
function nodeForJazzer() {
  const fuzzer = createRequire(join(jazzer, 'package.json')).resolve('@jazzer.js/fuzzer');
  const loads = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(fuzzer)})`], { encoding: 'utf8' });
  if (loads.status === 0) return [process.execPath];
  if (!/GLIBC_/.test(loads.stderr)) throw new Error(`Jazzer.js does not load: ${loads.stderr.trim().slice(0, 400)}`);
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const libraries = debianLibraries(
    process.arch,
    ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'],
    join(root, 'build-tools'),
  );
  const lib = join(libraries, 'usr/lib', `${arch}-linux-gnu`);
  const loader = readdirSync(lib).find((name) => /^ld-linux-.*\.so\.\d$/.test(name));
  return [join(lib, loader), '--library-path', lib, process.execPath];
}

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: here, stdio: 'inherit', ...options });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '60' } },
  });
  const seconds = Number(values.seconds);
  if (!(Number.isInteger(seconds) && seconds > 0))
    throw new Error(`--seconds: expected a whole number, got ${values.seconds}`);
  const groups = { readers, native, all: [...readers, ...native] };
  const targets = positionals.flatMap((name) => groups[name] ?? [name]);
  const stranger = targets.find((name) => !groups.all.includes(name));
  if (positionals.length === 0 || stranger !== undefined) {
    const known = [...groups.all, ...Object.keys(groups)].join(', ');
    throw new Error(`expected some of ${known}${stranger === undefined ? '' : `, got ${stranger}`}`);
  }
  const failed = targets.filter((target) => {
    console.log(`\n--- ${target}, ${seconds} s`);
    const status = native.includes(target)
      ? run('bash', [join(here, 'native.sh'), target, String(seconds)])
      : fuzzReader(target, seconds);
    return status !== 0;
  });
  if (failed.length > 0) throw new Error(`findings in ${failed.join(', ')}: see build-fuzz/`);
}

try {
  main();
} catch (error) {
  console.error(`fuzz: ${error.message}`);
  process.exitCode = 1;
}
