import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binaryCandidates } from '../../../lib/runtime/load/candidates.js';
// @ts-expect-error a script without types
import { ndkArguments } from '../../../scripts/build/cross/ndk.mjs';
// @ts-expect-error a script without types
import { targets } from '../../../scripts/build/cross/targets.mjs';
// @ts-expect-error a script without types
import { prebuiltFile, smokeFile, symbolsFile } from '../../../scripts/build/prebuild/files.mjs';
// @ts-expect-error a script without types
import { reasonsAgainst } from '../../../scripts/build/prebuild/release.mjs';
// @ts-expect-error a script without types
import { runnersFor } from '../../../scripts/proof/prebuilt/runners.mjs';
import { tinyElf } from './tinyElf.js';

const root = resolve(import.meta.dirname, '../../..');
const require = createRequire(import.meta.url);
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense prebuild '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(file: string, content: string | Buffer): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), content);
}

test('node-gyp-build and our own loader find the same file on each platform', () => {
  for (const name of Object.keys(targets)) put(prebuiltFile(name), name);
  const found = (platform: string, arch: string, libc: 'glibc' | 'musl' | '') => {
    const finder = JSON.stringify(require.resolve('node-gyp-build/node-gyp-build.js'));
    const code = `console.log(require(${finder}).resolve('.'))`;
    const env = { ...process.env, npm_config_platform: platform, npm_config_arch: arch, LIBC: libc };
    const { stdout } = spawnSync(process.execPath, ['-e', code], { cwd: folder, env, encoding: 'utf8' });
    const [ours] = binaryCandidates({ root: folder, platform, arch, libc: () => (libc === '' ? undefined : libc) });
    expect(ours?.file ?? '').toBe(stdout.trim());
    expect(ours?.foreignLibc).toBeUndefined();
    return stdout === '' ? undefined : readFileSync(stdout.trim(), 'utf8');
  };
  expect(found('linux', 'x64', 'glibc')).toBe('linux-x64');
  expect(found('linux', 'x64', 'musl')).toBe('linux-x64-musl');
  expect(found('linux', 'arm64', 'glibc')).toBe('linux-arm64');
  expect(found('linux', 'arm64', 'musl')).toBe('linux-arm64-musl');
  expect(found('darwin', 'arm64', '')).toBe('darwin-arm64');
  expect(found('android', 'arm64', '')).toBe('android-arm64');
  expect(found('win32', 'x64', '')).toBe('win32-x64');
  expect(found('win32', 'arm64', '')).toBe('win32-arm64');
  expect(found('linux', 'ia32', 'glibc')).toBeUndefined();
}, 60_000);

test('prebuildify drives the cross build through the shim and leaves the file where it belongs', () => {
  // The project, with a cross build that only writes which target it was asked for.
  for (const file of [
    'scripts/build/prebuild',
    'scripts/build/cross',
    'scripts/build/check-binary.mjs',
    'scripts/build/elf.mjs',
    'scripts/build/mach-o.mjs',
    'scripts/build/binary-file.mjs',
    'scripts/build/pe.mjs',
  ])
    cpSync(join(root, file), join(folder, file), { recursive: true });
  cpSync(join(root, 'scripts/build/arm64-instructions.mjs'), join(folder, 'scripts/build/arm64-instructions.mjs'));
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  put('build/Release/neonsense.node', "the developer's own build");
  put('binary', tinyElf({ needed: ['libc.so'], versions: [] }));
  put('symbols', tinyElf({ needed: ['libc.so'], versions: [], symbols: true }));
  put(
    'scripts/build/cross/build.mjs',
    `import { copyFileSync, mkdirSync } from 'node:fs';
    import { targets } from './targets.mjs';
    const [name] = process.argv.slice(2);
    const root = new URL('../../../', import.meta.url);
    const output = new URL(targets[name].output + '/', root);
    mkdirSync(output, { recursive: true });
    copyFileSync(new URL('binary', root), new URL('neonsense.node', output));
    copyFileSync(new URL('symbols', root), new URL('neonsense.node.symbols', output));
    console.log('built ' + name);`,
  );
  const prebuild = (...names: string[]) =>
    spawnSync(process.execPath, [join(folder, 'scripts/build/prebuild/prebuild.mjs'), ...names], {
      cwd: tmpdir(),
      encoding: 'utf8',
    });

  const made = prebuild('linux-arm64-musl');
  expect(made.stderr).toBe('');
  expect(made.stdout).toContain('built linux-arm64-musl');
  expect(existsSync(join(folder, 'prebuilds/linux-arm64/neonsense.musl.node'))).toBe(true);
  expect(existsSync(join(folder, symbolsFile('linux-arm64-musl')))).toBe(true);
  expect(readFileSync(join(folder, 'build/Release/neonsense.node'), 'utf8')).toBe("the developer's own build");

  const wrong = prebuild('linux-arm64');
  expect(wrong.stdout).toContain('built linux-arm64\n');
  expect(wrong.stderr).toMatch(/neonsense\.glibc\.node can't be shipped:\n.*is for musl, expected glibc/);
  expect(wrong.status).toBe(1);

  expect(prebuild('linux-mips').stderr).toMatch(/unknown target linux-mips, expected one of linux-x64, /);
  expect(prebuild().stderr).toMatch(/usage: /);
}, 120_000);

describe('the release', () => {
  const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
  const arm = 'linux-arm64-musl';
  const binary = tinyElf({ needed: ['libc.so'], versions: [] });
  const reasons = () => (reasonsAgainst(folder) as string[]).filter((reason) => reason.startsWith(`${arm}: `));
  const record = (content: object) => put(smokeFile(arm), JSON.stringify(content));

  beforeEach(() => {
    put(prebuiltFile(arm), binary);
    put(symbolsFile(arm), tinyElf({ needed: ['libc.so'], versions: [], symbols: true }));
    record({ sha256: sha256(binary), runs: [{ how: 'here', passed: true }] });
  });

  test('takes a binary that is as it must be and ran', () => expect(reasons()).toEqual([]));

  test('names every target that is missing', () => {
    rmSync(join(folder, 'prebuilds'), { recursive: true });
    expect(reasonsAgainst(folder)).toEqual(
      Object.keys(targets).map((name) => `${name}: ${prebuiltFile(name)} is missing`),
    );
  });

  test('refuses a binary that is not for its target', () => {
    const other = tinyElf();
    put(prebuiltFile(arm), other);
    record({ sha256: sha256(other), runs: [{ how: 'here', passed: true }] });
    expect(reasons().join('\n')).toMatch(/is for glibc, expected musl/);
  });

  test('refuses a binary whose instructions nobody can check', () => {
    rmSync(join(folder, symbolsFile(arm)));
    expect(reasons().join('\n')).toMatch(/was not searched for instructions/);
  });

  test.each<[string, object | undefined, RegExp]>([
    ['did not run', undefined, /its smoke test did not run/],
    [
      'failed somewhere',
      {
        sha256: sha256(binary),
        runs: [
          { how: 'a', passed: true },
          { how: 'b', passed: false },
        ],
      },
      /failed: b$/,
    ],
    ['ran nothing', { sha256: sha256(binary), runs: [] }, /ran nothing/],
    ['ran another binary', { sha256: sha256(tinyElf()), runs: [{ how: 'a', passed: true }] }, /ran another binary/],
  ])('refuses when the smoke test %s', (_name, content, message) => {
    if (content === undefined) rmSync(join(folder, smokeFile(arm)));
    else record(content);
    expect(reasons()).toHaveLength(1);
    expect(reasons()[0]).toMatch(message);
  });
});

describe('ways to run a target', () => {
  const wanted = { nodes: ['20', 'latest'], cpus: ['cortex-a53', 'max'] };
  const pi = { platform: 'linux', arch: 'arm64', libc: 'glibc' };
  const pc = { platform: 'linux', arch: 'x64', libc: 'glibc' };
  const mac = { platform: 'darwin', arch: 'arm64' };
  const ways = (name: string, host: object, options: object = wanted): string[] =>
    runnersFor(targets[name], options, host).map(({ how }: { how: string }) => how);

  test('glibc: each Node version on its own CPU, each CPU under emulation', () => {
    expect(ways('linux-x64', pc)).toEqual(['native, Node 20 of npm', 'native, Node latest of npm']);
    expect(ways('linux-arm64', pi)).toEqual(['native, Node 20 of npm', 'native, Node latest of npm']);
    expect(ways('linux-arm64', pc)).toEqual(['qemu-user, cortex-a53', 'qemu-user, max']);
    expect(ways('linux-x64', pi)).toEqual([]);
  });

  test('musl: its own Node, or Alpine containers, never the Node of glibc', () => {
    expect(ways('linux-x64-musl', pc).join()).toMatch(/Node 24 for musl/);
    expect(ways('linux-x64-musl', pc, { ...wanted, docker: true })).toEqual(['Alpine container, Node 20']);
    expect(ways('linux-arm64-musl', pc)).toEqual(['qemu-user, cortex-a53', 'qemu-user, max']);
    expect(ways('linux-x64', { ...pc, libc: 'musl' })).toEqual([]);
  });

  test('Windows on x64 under Wine, on arm64 nowhere', () => {
    expect(ways('win32-x64', pc)).toEqual(['Wine, Node 20 of npm', 'Wine, Node latest of npm']);
    expect(ways('win32-x64', { platform: 'win32', arch: 'x64' })).toHaveLength(2);
    expect(ways('win32-x64', pi)).toEqual([]);
    for (const host of [pc, pi]) expect(ways('win32-arm64', host)).toEqual([]);
  });

  test('macOS only on a Mac, Android nowhere', () => {
    expect(ways('darwin-arm64', mac)).toHaveLength(2);
    expect(ways('darwin-arm64', pc)).toEqual([]);
    for (const host of [mac, pc, pi]) expect(ways('android-arm64', host)).toEqual([]);
  });
});

describe('the Android NDK', () => {
  const ndk = { abi: 'arm64-v8a', api: 24 };
  const install = (revision: string) => {
    put('ndk/build/cmake/android.toolchain.cmake', '');
    put('ndk/source.properties', `Pkg.Desc = Android NDK\nPkg.Revision = ${revision}\n`);
    return { ANDROID_NDK_HOME: join(folder, 'ndk') };
  };

  test('is taken from the environment, for 16 KB pages and symbols that Node has', () => {
    const args = ndkArguments(ndk, ['-mno-outline-atomics'], install('27.2.12479018'));
    expect(args).toEqual(
      expect.arrayContaining([
        `-DCMAKE_TOOLCHAIN_FILE=${join(folder, 'ndk/build/cmake/android.toolchain.cmake')}`,
        '-DANDROID_ABI=arm64-v8a',
        '-DANDROID_PLATFORM=android-24',
        '-DANDROID_STL=c++_static',
        '-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON',
        '-DANDROID_ALLOW_UNDEFINED_SYMBOLS=ON',
        '-DCMAKE_C_FLAGS=-mno-outline-atomics',
      ]),
    );
  });

  test('is asked for where there is none, where it is another folder, and where it is too old', () => {
    expect(() => ndkArguments(ndk, [], {})).toThrow(
      /no Android NDK.*Install the Android NDK r27 or newer.*ANDROID_NDK/s,
    );
    expect(() => ndkArguments(ndk, [], { ANDROID_NDK: folder })).toThrow(/is no Android NDK/);
    expect(() => ndkArguments(ndk, [], install('26.3.11579264'))).toThrow(/is NDK r26, which is too old/);
  });
});
