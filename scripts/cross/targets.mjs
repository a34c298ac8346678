// What can be cross-built, each by the name that Node gives the platform. `zig` is Zig's name of the target with the
// oldest glibc it must run on; `processor` is CMake's; `flags` are for C and C++; `output` is the folder below the
// project that takes everything; `expect` is what scripts/check-binary.mjs then demands of the result.

export const targets = {
  'linux-arm64': {
    zig: 'aarch64-linux-gnu.2.28',
    system: 'Linux',
    processor: 'aarch64',
    // Plain armv8-a: no LSE atomics, neither inlined nor behind calls into a libgcc that is not there.
    flags: ['-mno-outline-atomics'],
    output: 'build-arm64',
    expect: { arch: 'arm64', maxGlibc: '2.28' },
  },
};
