#!/usr/bin/env node
// Cross-builds the addon:  node scripts/cross/build.mjs linux-arm64
// Needs cmake, ninja, python3 with pip (for Zig) and the result of `npm ci`; ccache is used where it is installed.
// Writes <output>/neonsense.node, with the output folder of scripts/cross/targets.mjs, and checks it as
// check-binary.mjs does.

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeBinary, problemsOf } from '../check-binary.mjs';
import { targets } from './targets.mjs';
import { installZig, writeWrappers } from './zig.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

function main([name, ...rest]) {
  const target = targets[name];
  if (target === undefined || rest.length > 0) {
    throw new Error(
      `usage: node scripts/cross/build.mjs TARGET, with TARGET one of ${Object.keys(targets).join(', ')}`,
    );
  }
  const headers = join(root, 'node_modules', 'node-api-headers', 'include');
  const wrapper = join(root, 'node_modules', 'node-addon-api');
  if (!existsSync(headers) || !existsSync(wrapper))
    throw new Error('node_modules lacks the Node-API headers: run npm ci first');
  run(process.execPath, [join(root, 'scripts', 'vendor.mjs')]);

  const zig = installZig(root);
  const output = join(root, target.output);
  const tools = join(output, 'tools');
  const environment = { ...process.env, ...writeWrappers(tools, zig, target, root) };
  const build = join(output, 'cmake');
  mkdirSync(build, { recursive: true });
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
      `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'scripts', 'cross', 'zig-toolchain.cmake')}`,
      `-DNEONSENSE_CROSS_TOOLS=${tools}`,
      `-DNEONSENSE_CROSS_SYSTEM=${target.system}`,
      `-DNEONSENSE_CROSS_PROCESSOR=${target.processor}`,
      `-DCMAKE_JS_INC=${headers};${wrapper}`,
    ],
    { env: environment, quiet: true },
  );
  run('cmake', ['--build', build, '--target', 'neonsense'], { env: environment, quiet: true });

  const built = join(build, 'Release', 'neonsense.node');
  const problems = problemsOf(describeBinary(readFileSync(built)), target.expect);
  if (problems.length > 0)
    throw new Error(`${built} can't be shipped:\n${problems.map((each) => `  - ${each}`).join('\n')}`);
  const addon = join(output, 'neonsense.node');
  copyFileSync(built, `${addon}.part`);
  renameSync(`${addon}.part`, addon);
  console.log(`${name}: ${addon}`);
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
