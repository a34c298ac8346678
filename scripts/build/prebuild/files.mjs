// Where prebuilt binaries lie and what they are called: prebuilds/PLATFORM-ARCH/neonsense[.LIBC].node, as
// node-gyp-build looks for them. A tag for the C library only where a platform has two.

import { join } from 'node:path';
import { targets } from '../cross/targets.mjs';

export const PACKAGE = 'neonsense';

/**
 * @param {string} name  of a target
 * @returns {string} path below the folder that holds prebuilds/
 */
export function prebuiltFile(name) {
  const { platform, arch, libc } = targetNamed(name);
  return join('prebuilds', `${platform}-${arch}`, [PACKAGE, ...(libc === undefined ? [] : [libc]), 'node'].join('.'));
}

/**
 * The same file with its symbols. It is not published: without it nobody can tell whose code an instruction is.
 * @param {string} name  of a target
 * @returns {string} path below the folder that holds prebuilds/
 */
export function symbolsFile(name) {
  return join('build-symbols', `${name}.node.symbols`);
}

/** @throws where there is no such target */
export function targetNamed(name) {
  if (!Object.hasOwn(targets, name))
    throw new Error(`unknown target ${name}, expected one of ${Object.keys(targets).join(', ')}`);
  return targets[name];
}

/**
 * What was run with a prebuilt file, written by run-matrix.mjs.
 * @param {string} name  of a target
 * @returns {string} path below the project
 */
export function smokeFile(name) {
  return join('build-smoke', `${name}.json`);
}
