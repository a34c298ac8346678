import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
// @ts-expect-error scripts without types
import { targets } from '../../../scripts/build/cross/targets.mjs';
// @ts-expect-error scripts without types
import { writeWrappers } from '../../../scripts/build/cross/zig.mjs';

// The compiler wrappers of the cross build, around a zig that only prints what it is given.

let folder: string;
let zig: string;
let environment: Record<string, string>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "neonsense it's zig "));
  zig = join(folder, 'zig');
  writeFileSync(zig, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  environment = writeWrappers(join(folder, 'tools'), zig, targets['linux-arm64'], folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function given(tool: string, ...args: string[]): string[] {
  return spawnSync(join(folder, 'tools', tool), args, { encoding: 'utf8' })
    .stdout.trimEnd()
    .split('\n');
}

test('compiles for the oldest glibc supported, on plain armv8-a', () => {
  const args = given('cc', '-c', 'a b.c', '-o', 'a.o');
  expect(args[0]).toBe('cc');
  expect(args.join(' ')).toContain('-target aarch64-linux-gnu.2.28 ');
  expect(args).toContain('-mno-outline-atomics');
  expect(args.slice(-4)).toEqual(['-c', 'a b.c', '-o', 'a.o']);
  expect(given('c++', 'x.cc')[0]).toBe('c++');
});

test('turns -march of a micro-kernel into exactly its features for C, without the atomics of armv8.2-a', () => {
  const args = given('cc', '-march=armv8.2-a+dotprod+fp16', '-c', 'kernel.c').join(' ');
  expect(args).toContain(
    '-Xclang -target-feature -Xclang +dotprod -Xclang -target-feature -Xclang +fullfp16 -c kernel.c',
  );
  expect(args).not.toMatch(/march|mcpu|lse|v8\.?2/);
});

test('hands -march to the assembler for assembly', () => {
  const args = given('cc', '-march=armv8.2-a+fp16+dotprod', '-c', 'kernel.S');
  expect(args).toContain('-Wa,-march=armv8.2-a+fp16+dotprod');
  expect(args.join(' ')).not.toContain('-Xclang');
});

test('drops the linker option that Zig lacks, and only that', () => {
  const args = given('c++', '-shared', '-Wl,--exclude-libs,ALL', '-Wl,--gc-sections');
  expect(args.slice(-2)).toEqual(['-shared', '-Wl,--gc-sections']);
});

test('ar and ranlib pass their arguments on', () => {
  expect(given('ar', 'qc', 'a.a', 'b c.o')).toEqual(['ar', 'qc', 'a.a', 'b c.o']);
});

test('is rewritten only when it changes, and is the same compiler to ccache wherever zig lies', () => {
  const before = statSync(join(folder, 'tools', 'cc')).ctimeMs;
  const again = writeWrappers(join(folder, 'tools'), zig, targets['linux-arm64'], folder);
  expect(statSync(join(folder, 'tools', 'cc')).ctimeMs).toBe(before);
  expect(again).toEqual(environment);

  const elsewhere = writeWrappers(
    join(folder, 'other tools'),
    `${folder}/../${folder.split('/').pop()}/zig`,
    targets['linux-arm64'],
    folder,
  );
  expect(elsewhere.CCACHE_COMPILERCHECK).toBe(environment['CCACHE_COMPILERCHECK']);
  const otherTarget = { ...targets['linux-arm64'], zig: 'aarch64-linux-musl' };
  expect(writeWrappers(join(folder, 'musl'), zig, otherTarget, folder).CCACHE_COMPILERCHECK).not.toBe(
    environment['CCACHE_COMPILERCHECK'],
  );
});

test('gives back the 512-bit vectors that plain x86-64 switches off, only where they are asked for', () => {
  writeWrappers(join(folder, 'x64'), zig, targets['linux-x64'], folder);
  const run = (...args: string[]) =>
    spawnSync(join(folder, 'x64', 'cc'), args, { encoding: 'utf8' })
      .stdout.trimEnd()
      .split('\n')
      .join(' ');
  expect(run('-mavx512f', '-mavx512bw', '-c', 'a.c')).toContain(
    '-mavx512f -Xclang -target-feature -Xclang +evex512 -mavx512bw -c a.c',
  );
  expect(run('-mavx2', '-c', 'a.c')).not.toContain('evex512');
});

test('links a library where CMake asks for a bundle, which the Mach-O linker of Zig does not make', () => {
  writeWrappers(join(folder, 'mac'), zig, targets['darwin-arm64'], folder);
  const { stdout } = spawnSync(join(folder, 'mac', 'c++'), ['-bundle', '-o', 'a.node'], { encoding: 'utf8' });
  expect(stdout.trimEnd().split('\n').slice(-3)).toEqual(['-shared', '-o', 'a.node']);
  expect(stdout).toContain('aarch64-macos.11.0');
});
