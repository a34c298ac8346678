#!/usr/bin/env node
// Makes prebuilt binaries:  node scripts/build/prebuild/prebuild.mjs TARGET... | --all
// prebuildify builds each target through node-gyp.mjs, a cross build, and names it; then the file is checked once more
// where it lies. --all is every target of scripts/build/cross/targets.mjs, android-arm64 only where an Android NDK is
// installed.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeBinary, problemsOf } from '../check-binary.mjs';
import { ndkArguments } from '../cross/ndk.mjs';
import { targets } from '../cross/targets.mjs';
import { PACKAGE, prebuiltFile, symbolsFile, targetNamed } from './files.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'));

async function main(argv) {
  if (argv.length === 0 || argv.some((each) => each.startsWith('-') && each !== '--all'))
    throw new Error(
      `usage: node scripts/build/prebuild/prebuild.mjs TARGET... | --all; targets: ${Object.keys(targets).join(', ')}`,
    );
  const names = argv.includes('--all') ? Object.keys(targets) : argv;
  for (const name of names) targetNamed(name);
  for (const name of names) {
    const reason = argv.includes('--all') ? whyImpossible(targets[name]) : undefined;
    if (reason === undefined) await prebuild(name);
    else console.log(`${name}: left out, ${reason}`);
  }
}

/** Of all targets only Android's needs what no package registry has. */
function whyImpossible({ ndk, flags }) {
  if (ndk === undefined) return undefined;
  try {
    ndkArguments(ndk, flags);
    return undefined;
  } catch (error) {
    return error.message;
  }
}

async function prebuild(name) {
  const target = targets[name];
  // prebuildify moves away what it finds in build/Release of its folder: not the developer's own build.
  const folder = join(root, target.output, 'prebuildify');
  mkdirSync(folder, { recursive: true });
  await prebuildify({
    name: PACKAGE,
    cwd: folder,
    out: root,
    platform: target.platform,
    arch: target.arch,
    libc: target.libc,
    tagLibc: target.libc ?? false,
    napi: true,
    // node-gyp.mjs does not use it; prebuildify will not run without one.
    targets: ['20.9.0'],
    nodeGyp: join(root, 'scripts', 'build', 'prebuild', 'node-gyp.mjs'),
  });
  const file = join(root, prebuiltFile(name));
  const symbols = join(root, target.output, 'neonsense.node.symbols');
  if (existsSync(symbols)) {
    mkdirSync(dirname(join(root, symbolsFile(name))), { recursive: true });
    copyFileSync(symbols, join(root, symbolsFile(name)));
  }
  const problems = problemsOf(
    describeBinary(readFileSync(file), existsSync(symbols) ? readFileSync(symbols) : undefined),
    target.expect,
  );
  if (problems.length > 0)
    throw new Error(`${file} can't be shipped:\n${problems.map((each) => `  - ${each}`).join('\n')}`);
  console.log(`${name}: ${prebuiltFile(name)}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`prebuild: ${error.message}`);
  process.exitCode = 1;
}
