#!/usr/bin/env node
// Compiles the addon's own C++ for Android on a machine without the NDK:  node scripts/build/cross/android-compile.mjs
// The NDK is in no package registry, so the real build of android-arm64 happens in the workflow. Zig brings clang and
// libc++, but no Android libc; musl's headers stand in for it. That proves that our sources compile for the target with
// warnings as errors. It proves nothing about linking, nor about XNNPACK, and its objects are thrown away.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targets } from './targets.mjs';
import { installZig } from './zig.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const { ndk, flags } = targets['android-arm64'];

/** What libc++ asks Android's libc for and musl lacks or has elsewhere. */
const STAND_INS = {
  'android/api-level.h': '',
  'xlocale.h': `#pragma once
#include <locale.h>
#include <stdlib.h>
#include <wchar.h>
extern "C" long long strtoll_l(const char*, char**, int, locale_t);
extern "C" unsigned long long strtoull_l(const char*, char**, int, locale_t);
`,
};

/** How libc++ was configured: it has no __config_site of its own here. */
const LIBCXX = {
  _LIBCPP_ABI_VERSION: 1,
  _LIBCPP_ABI_NAMESPACE: '__1',
  _LIBCPP_HARDENING_MODE_DEFAULT: 2,
  _LIBCPP_PSTL_BACKEND_SERIAL: 1,
  _LIBCPP_HAS_FILESYSTEM: 0,
  _LIBCPP_HAS_LOCALIZATION: 1,
  _LIBCPP_HAS_MONOTONIC_CLOCK: 1,
  _LIBCPP_HAS_MUSL_LIBC: 1,
  _LIBCPP_HAS_RANDOM_DEVICE: 1,
  _LIBCPP_HAS_TERMINAL: 0,
  _LIBCPP_HAS_THREADS: 1,
  _LIBCPP_HAS_THREAD_API_PTHREAD: 1,
  _LIBCPP_HAS_TIME_ZONE_DATABASE: 0,
  _LIBCPP_HAS_UNICODE: 1,
  _LIBCPP_HAS_NO_VENDOR_AVAILABILITY_ANNOTATIONS: 1,
  _LIBCPP_HAS_WIDE_CHARACTERS: 1,
};

const ADDON = {
  NAPI_VERSION: 8,
  NAPI_CPP_EXCEPTIONS: 1,
  NODE_ADDON_API_DISABLE_DEPRECATED: 1,
  NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS: 1,
  NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED: 1,
};

function main() {
  const zig = installZig(root);
  const lib = join(dirname(zig), 'lib');
  const packages = join(root, 'node_modules');
  if (!existsSync(join(packages, 'node-addon-api')))
    throw new Error('node_modules lacks the Node-API headers: run npm ci first');
  run(process.execPath, [join(root, 'scripts', 'setup', 'vendor.mjs')]);
  const work = mkdtempSync(join(tmpdir(), 'neonsense-android-'));
  try {
    for (const [name, text] of Object.entries(STAND_INS)) {
      mkdirSync(dirname(join(work, name)), { recursive: true });
      writeFileSync(join(work, name), text);
    }
    const foreign = [
      work,
      join(lib, 'libcxx', 'include'),
      join(lib, 'libcxxabi', 'include'),
      join(lib, 'include'),
      ...['aarch64-linux-musl', 'generic-musl', 'aarch64-linux-any', 'any-linux-any'].map((each) =>
        join(lib, 'libc', 'include', each),
      ),
      ...['XNNPACK', 'pthreadpool', 'cpuinfo', 'FP16'].map((each) => join(root, 'third_party', 'src', each, 'include')),
      join(packages, 'node-api-headers', 'include'),
      join(packages, 'node-addon-api'),
    ];
    // All but kernels and hashes, of which files need flags of their own.
    const sources = ['addon', 'engine', 'image', 'inflate'].flatMap((folder) =>
      readdirSync(join(root, 'native', folder), { recursive: true })
        .filter((name) => name.endsWith('.cc'))
        .map((name) => join(root, 'native', folder, name)),
    );
    for (const source of sources) {
      run(zig, [
        'clang',
        `--target=aarch64-linux-android${ndk.api}`,
        ...['-c', '-std=c++17', '-O2', '-fPIC', '-Wall', '-Wextra', '-Werror', '-nostdinc', '-nostdinc++'],
        ...flags,
        ...foreign.flatMap((each) => ['-isystem', each]),
        ...['-I', join(root, 'native')],
        ...Object.entries({ ...LIBCXX, ...ADDON }).map(([name, value]) => `-D${name}=${value}`),
        source,
        ...['-o', join(work, 'object.o')],
      ]);
    }
    console.log(`android-arm64: ${sources.length} sources of the addon compile; not linked, not run`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${error?.message ?? stderr}`);
}

try {
  main();
} catch (error) {
  console.error(`android-compile: ${error.message}`);
  process.exitCode = 1;
}
