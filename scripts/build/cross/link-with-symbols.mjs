#!/usr/bin/env node
// Linker launcher (CMAKE_CXX_LINKER_LAUNCHER) that leaves out the option to strip: build.mjs strips what was linked, so
// that what is shipped and what has symbols are one link. (Zig's runtime differs by a few bytes between two.)

import { spawnSync } from 'node:child_process';

const [compiler, ...given] = process.argv.slice(2);
const { status, error } = spawnSync(
  compiler,
  given.filter((argument) => argument !== '-Wl,-s'),
  { stdio: 'inherit' },
);
if (error !== undefined) throw error;
process.exitCode = status ?? 1;
