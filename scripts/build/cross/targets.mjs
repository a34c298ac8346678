// What can be cross-built, each by the name that Node gives the platform, with the C library where there are two.
// `platform` and `arch` are Node's, `libc` is the tag of the prebuilt file where one is needed. `zig` is Zig's name of
// the target with the oldest system it must run on, `system` and `processor` are CMake's; `ndk` stands in for the three
// where Android's own compiler is needed. `flags` are for C and C++; `output` is the folder below the project that
// takes everything; `isRun` says that a release runs it on its platform, natively or emulated; `expect` is what
// scripts/build/check-binary.mjs then demands of the result.

/** Bytes. The largest is 1.9 MiB today; a library linked by mistake would show. */
const MAX_BYTES = 3 * 2 ** 20;
// Plain armv8-a: no LSE atomics, neither inlined nor behind calls into a libgcc that is not there.
const ARM64_FLAGS = ['-mno-outline-atomics'];

export const targets = {
  'linux-x64': {
    platform: 'linux',
    arch: 'x64',
    libc: 'glibc',
    zig: 'x86_64-linux-gnu.2.28',
    system: 'Linux',
    processor: 'x86_64',
    output: 'build-linux-x64',
    isRun: true,
    expect: { format: 'elf', arch: 'x64', libc: 'glibc', maxGlibc: '2.28', maxBytes: MAX_BYTES },
  },
  'linux-x64-musl': {
    platform: 'linux',
    arch: 'x64',
    libc: 'musl',
    zig: 'x86_64-linux-musl',
    system: 'Linux',
    processor: 'x86_64',
    output: 'build-linux-x64-musl',
    isRun: true,
    expect: { format: 'elf', arch: 'x64', libc: 'musl', maxBytes: MAX_BYTES },
  },
  'linux-arm64': {
    platform: 'linux',
    arch: 'arm64',
    libc: 'glibc',
    zig: 'aarch64-linux-gnu.2.28',
    system: 'Linux',
    processor: 'aarch64',
    flags: ARM64_FLAGS,
    output: 'build-arm64',
    isRun: true,
    expect: {
      format: 'elf',
      arch: 'arm64',
      libc: 'glibc',
      baseline: 'armv8-a',
      maxGlibc: '2.28',
      maxBytes: MAX_BYTES,
    },
  },
  'linux-arm64-musl': {
    platform: 'linux',
    arch: 'arm64',
    libc: 'musl',
    zig: 'aarch64-linux-musl',
    system: 'Linux',
    processor: 'aarch64',
    flags: ARM64_FLAGS,
    output: 'build-linux-arm64-musl',
    isRun: true,
    expect: { format: 'elf', arch: 'arm64', libc: 'musl', baseline: 'armv8-a', maxBytes: MAX_BYTES },
  },
  'darwin-arm64': {
    platform: 'darwin',
    arch: 'arm64',
    zig: 'aarch64-macos.11.0',
    system: 'Darwin',
    processor: 'arm64',
    output: 'build-darwin-arm64',
    isRun: true,
    expect: { format: 'mach-o', arch: 'arm64', maxMacos: '11.0', maxBytes: MAX_BYTES },
  },
  'win32-x64': {
    platform: 'win32',
    arch: 'x64',
    zig: 'x86_64-windows-gnu',
    system: 'Windows',
    processor: 'x86_64',
    output: 'build-win32-x64',
    isRun: true,
    expect: { format: 'pe', arch: 'x64', maxBytes: MAX_BYTES },
  },
  'win32-arm64': {
    platform: 'win32',
    arch: 'arm64',
    zig: 'aarch64-windows-gnu',
    system: 'Windows',
    processor: 'aarch64',
    flags: ARM64_FLAGS,
    output: 'build-win32-arm64',
    isRun: false,
    expect: { format: 'pe', arch: 'arm64', baseline: 'armv8-a', maxBytes: MAX_BYTES },
  },
  'android-arm64': {
    platform: 'android',
    arch: 'arm64',
    // Android 7: the oldest that Termux supports.
    ndk: { abi: 'arm64-v8a', api: 24 },
    flags: ARM64_FLAGS,
    output: 'build-android-arm64',
    isRun: false,
    expect: { format: 'elf', arch: 'arm64', libc: 'bionic', baseline: 'armv8-a', maxBytes: MAX_BYTES },
  },
};
