// Android's own compiler, the NDK: it can't be had from a package registry, so it must be installed already.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The first NDK whose linker aligns segments for 16 KB pages when asked. */
const OLDEST = 27;
const VARIABLES = ['ANDROID_NDK', 'ANDROID_NDK_HOME', 'ANDROID_NDK_ROOT', 'ANDROID_NDK_LATEST_HOME'];

/**
 * CMake arguments for a build with the NDK that the environment names.
 * @param {{ abi: string, api: number }} ndk
 * @param {string[]} flags  for C and C++
 * @param {Record<string, string | undefined>} environment
 * @throws where there is none, or one that is too old; the message says how to get it
 */
export function ndkArguments({ abi, api }, flags, environment = process.env) {
  const advice =
    `Install the Android NDK r${OLDEST} or newer (developer.android.com/ndk/downloads, or sdkmanager "ndk;VERSION") ` +
    'and set ANDROID_NDK to its folder. Zig has no libc for Android and can not take its place.';
  const variable = VARIABLES.find((name) => environment[name]);
  if (variable === undefined) throw new Error(`no Android NDK: none of ${VARIABLES.join(', ')} is set. ${advice}`);
  const home = environment[variable];
  const toolchain = join(home, 'build', 'cmake', 'android.toolchain.cmake');
  const properties = join(home, 'source.properties');
  if (!existsSync(toolchain) || !existsSync(properties)) {
    throw new Error(`${variable} is ${home}, which is no Android NDK (it lacks ${toolchain}). ${advice}`);
  }
  const revision = /^Pkg\.Revision\s*=\s*(\d+)/m.exec(readFileSync(properties, 'utf8'))?.[1];
  if (!(Number(revision) >= OLDEST)) throw new Error(`${home} is NDK r${revision ?? '?'}, which is too old. ${advice}`);
  return [
    `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`,
    `-DANDROID_ABI=${abi}`,
    `-DANDROID_PLATFORM=android-${api}`,
    '-DANDROID_STL=c++_static',
    '-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON',
    // The Node-API symbols come from the node program, which the linker does not see.
    '-DANDROID_ALLOW_UNDEFINED_SYMBOLS=ON',
    `-DCMAKE_C_FLAGS=${flags.join(' ')}`,
    `-DCMAKE_CXX_FLAGS=${flags.join(' ')}`,
  ];
}
