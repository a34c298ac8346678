#!/usr/bin/env node
// What prebuildify takes for node-gyp. It calls `rebuild --target=NODE --devdir=... --arch=...` and expects
// build/Release/*.node in its working folder; platform, arch and libc are in the environment. A Node-API addon does not
// depend on the version of Node, so this builds the target of that platform with scripts/build/cross/build.mjs and copies it.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targets } from '../cross/targets.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

function main(environment) {
  const { PREBUILD_PLATFORM: platform, PREBUILD_ARCH: arch, PREBUILD_LIBC: libc } = environment;
  const found = Object.entries(targets).find(
    ([, each]) =>
      each.platform === platform && each.arch === arch && (each.libc === undefined || each.libc === (libc || 'glibc')),
  );
  if (found === undefined) throw new Error(`no target for platform ${platform}, arch ${arch}, libc ${libc}`);
  const [name, target] = found;
  const { status, error } = spawnSync(process.execPath, [join(root, 'scripts', 'build', 'cross', 'build.mjs'), name], {
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  if (status !== 0) return status ?? 1;
  mkdirSync(join('build', 'Release'), { recursive: true });
  copyFileSync(join(root, target.output, 'neonsense.node'), join('build', 'Release', 'neonsense.node'));
  return 0;
}

try {
  process.exitCode = main(process.env);
} catch (error) {
  console.error(`prebuild: ${error.message}`);
  process.exitCode = 1;
}
