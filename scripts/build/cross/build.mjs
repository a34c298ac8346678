#!/usr/bin/env node
// Cross-builds the addon:  node scripts/build/cross/build.mjs TARGET, with a target of scripts/build/cross/targets.mjs
// Needs cmake, ninja and the result of `npm ci`, and python3 with pip for Zig, or the Android NDK for Android; ccache
// is used where it is installed. Writes <output>/neonsense.node, for Linux and Android also neonsense.node.symbols,
// the same with its symbols, and checks the first as check-binary.mjs does.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeBinary, problemsOf } from '../check-binary.mjs';
import { ndkArguments } from './ndk.mjs';
import { stripElf } from './strip-elf.mjs';
import { targets } from './targets.mjs';
import { nodeApiImports } from './windows/node-api-imports.mjs';
import { installZig, writeWrappers } from './zig.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

function main([name, ...rest]) {
  const target = Object.hasOwn(targets, name ?? '') ? targets[name] : undefined;
  if (target === undefined || rest.length > 0) {
    throw new Error(
      `usage: node scripts/build/cross/build.mjs TARGET, with TARGET one of ${Object.keys(targets).join(', ')}`,
    );
  }
  const headers = join(root, 'node_modules', 'node-api-headers', 'include');
  const wrapper = join(root, 'node_modules', 'node-addon-api');
  if (!existsSync(headers) || !existsSync(wrapper))
    throw new Error('node_modules lacks the Node-API headers: run npm ci first');

  const output = join(root, target.output);
  const { environment, toolchain } = target.ndk === undefined ? withZig(target, output) : withNdk(target);
  run(process.execPath, [join(root, 'scripts', 'setup', 'vendor.mjs')]);
  const build = join(output, 'cmake');
  const isElf = target.expect.format === 'elf';
  mkdirSync(build, { recursive: true });
  const env = { ...process.env, ...environment };
  run(
    'cmake',
    [
      '-S',
      root,
      '-B',
      build,
      '-G',
      'Ninja',
      '-Wno-dev',
      '-DCMAKE_BUILD_TYPE=Release',
      ...toolchain,
      ...LINKING[target.expect.format](build),
      `-DCMAKE_JS_INC=${headers};${wrapper}`,
    ],
    { env, quiet: true },
  );
  run('cmake', ['--build', build, '--target', 'neonsense'], { env, quiet: true });

  const built = readFileSync(join(build, 'Release', 'neonsense.node'));
  const stripped = isElf ? stripElf(built) : built;
  const problems = problemsOf(describeBinary(stripped, isElf ? built : undefined), target.expect);
  if (problems.length > 0)
    throw new Error(
      `what was built for ${name} can't be shipped:\n${problems.map((each) => `  - ${each}`).join('\n')}`,
    );
  const addon = join(output, 'neonsense.node');
  if (isElf) replace(`${addon}.symbols`, built);
  replace(addon, stripped);
  console.log(`${name}: ${addon}`);
}

/** CMake arguments for each format of binary. */
const LINKING = {
  elf: () => [
    `-DCMAKE_CXX_LINKER_LAUNCHER=${process.execPath};${join(root, 'scripts/build/cross/link-with-symbols.mjs')}`,
  ],
  'mach-o': (build) => {
    // A path with a space would fall apart in this variable; so it is relative to the build folder.
    const operators = relative(build, join(root, 'scripts/build/cross/darwin-operators.cc'));
    return [
      '-DCMAKE_MODULE_LINKER_FLAGS=-s',
      `-DCMAKE_CXX_STANDARD_LIBRARIES=-fvisibility-global-new-delete=force-hidden ${operators}`,
    ];
  },
  pe: (build) => {
    const imports = join(build, 'node-api-imports.S');
    writeFileSync(imports, nodeApiImports(root));
    return [`-DNEONSENSE_WINDOWS_NODE_API=${imports};${join(root, 'scripts/build/cross/windows/node_api.cc')}`];
  },
};

function withZig(target, output) {
  const zig = installZig(root);
  const tools = join(output, 'tools');
  return {
    environment: writeWrappers(tools, zig, target, root),
    toolchain: [
      `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'scripts', 'build', 'cross', 'zig-toolchain.cmake')}`,
      `-DNEONSENSE_CROSS_TOOLS=${tools}`,
      `-DNEONSENSE_CROSS_SYSTEM=${target.system}`,
      `-DNEONSENSE_CROSS_PROCESSOR=${target.processor}`,
    ],
  };
}

function withNdk(target) {
  return {
    environment: { CCACHE_BASEDIR: root, CCACHE_NOHASHDIR: '1' },
    toolchain: ndkArguments(target.ndk, target.flags),
  };
}

function replace(file, content) {
  writeFileSync(`${file}.part`, content, { mode: 0o755 });
  renameSync(`${file}.part`, file);
}

function run(command, args, { env = process.env, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'],
    maxBuffer: 2 ** 28,
  });
  if (result.error?.code === 'ENOENT')
    throw new Error(`${command} is not installed; on Debian: apt-get install cmake ninja-build`);
  if (result.error !== undefined) throw result.error;
  if (result.status === 0) return;
  throw new Error(
    `${command} ${args[0]} failed${quiet ? `:\n${result.stdout.split('\n').slice(-60).join('\n')}` : ''}`,
  );
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`cross build: ${error.message}`);
  process.exitCode = 1;
}
