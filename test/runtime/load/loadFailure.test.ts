import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOlder, readBinaryFile } from '../../../lib/runtime/load/binaryFile.js';
import { explainLoadFailure, type Host, type LoadFailure } from '../../../lib/runtime/load/loadFailure.js';
import { elfBinary, machBinary, peBinary } from './fakeBinary.js';

const DEBIAN: Host = { platform: 'linux', arch: 'x64', node: '22.1.0', napi: '9', libc: 'glibc', glibc: '2.28' };
const ALPINE: Host = { ...DEBIAN, libc: 'musl', glibc: undefined };
const MAC: Host = { ...DEBIAN, platform: 'darwin', arch: 'arm64', libc: undefined, glibc: undefined };
const TERMUX: Host = { ...DEBIAN, platform: 'android', arch: 'arm64', libc: 'bionic', glibc: undefined };
const WINDOWS: Host = { ...DEBIAN, platform: 'win32', libc: undefined, glibc: undefined };
const [PE_X64, PE_ARM64] = [0x8664, 0xaa64];
const [MAC_X64, MAC_ARM64] = [0x01000007, 0x0100000c];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense load '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What is said of a file with this content when the loader gives this message. */
function explain(
  content: Uint8Array,
  message: string,
  host: Host,
  name = 'neonsense.node',
  code?: string,
): LoadFailure {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  const error = Object.assign(new Error(message.replaceAll('FILE', file)), code === undefined ? {} : { code });
  return explainLoadFailure(file, error, host);
}

describe('the header says', () => {
  const said = 'FILE: cannot open shared object file: No such file or directory';

  it.each<[string, Buffer, Host, string, RegExp]>([
    ['another CPU', elfBinary('arm64'), DEBIAN, 'wrong-arch', /it is for arm64, this Node is for x64/],
    ['32-bit ARM', elfBinary('arm'), { ...DEBIAN, arch: 'arm64' }, 'wrong-arch', /it is for arm, .* arm64/],
    ['musl on Debian', elfBinary('x64', ['libc.musl-x86_64.so.1']), DEBIAN, 'wrong-libc', /for musl.*runs on glibc/],
    ['musl by its plain name', elfBinary('x64', ['libc.so']), DEBIAN, 'wrong-libc', /for musl.*runs on glibc/],
    ['glibc on Alpine', elfBinary('x64'), ALPINE, 'wrong-libc', /for glibc.*runs on musl/],
    ['glibc on Android', elfBinary('arm64'), TERMUX, 'wrong-libc', /for glibc.*runs on Android/],
    ['Android on Debian', elfBinary('x64', ['libc.so', 'liblog.so']), DEBIAN, 'wrong-libc', /for Android/],
    ['macOS on Linux', machBinary(MAC_ARM64), DEBIAN, 'wrong-platform', /it is for macOS, this is linux/],
    ['Linux on macOS', elfBinary('arm64'), MAC, 'wrong-platform', /it is for Linux or Android, this is darwin/],
    ['Windows on Linux', Buffer.from('MZ\x90\0etc'), DEBIAN, 'wrong-platform', /it is for Windows/],
    ['an Intel Mac on Apple silicon', machBinary(MAC_X64), MAC, 'wrong-arch', /it is for x64, this Node is for arm64/],
    ['nothing', Buffer.alloc(0), DEBIAN, 'not-a-binary', /it is empty/],
    ['a page of an error', Buffer.from('<html>404</html>'), DEBIAN, 'not-a-binary', /no binary \(16 bytes\)/],
    ['a pointer of Git LFS', Buffer.from('version https://git-lfs'), DEBIAN, 'not-a-binary', /no binary/],
    ['its own end too early', elfBinary('x64').subarray(0, 100), DEBIAN, 'truncated', /cut short \(100 bytes\)/],
    ['only the magic', elfBinary('x64').subarray(0, 10), DEBIAN, 'truncated', /cut short \(10 bytes\)/],
  ])('%s', (_, content, host, cause, why) => {
    const failure = explain(content, said, host);
    expect(failure).toMatchObject({ cause, why: expect.stringMatching(why) });
    expect(failure.advice).toMatch(/npx neonsense build/);
  });

  it.each([
    ['too many open files', 'FILE: cannot open shared object file: Too many open files', /ulimit -n/],
    ['addons that are not allowed', 'Cannot load native addon because loading addons is disabled.', /--allow-addons/],
  ])('%s is a limit of the machine, not the fault of the file', (_, message, why) => {
    const failure = explain(elfBinary('x64'), message, DEBIAN);
    expect(failure).toMatchObject({ cause: 'machine-limit', why: expect.stringMatching(why) });
  });

  it('a universal binary is for each of its CPUs', () => {
    const both = machBinary(MAC_X64, MAC_ARM64);
    expect(explain(both, 'dlopen(FILE, 1): something new', MAC).cause).toBe('unknown');
    expect(explain(both, 'dlopen(FILE, 1): something new', { ...MAC, arch: 'x64' }).cause).toBe('unknown');
  });
});

describe('on Windows, where nothing is built,', () => {
  it.each<[string, Buffer, string, string, RegExp]>([
    ['a file for another CPU', peBinary(PE_ARM64), '%1 is not a valid Win32 application.', 'wrong-arch', /for arm64/],
    ['one for Linux', elfBinary('x64'), '%1 is not a valid Win32 application.', 'wrong-platform', /is for Linux/],
    ['one cut short', peBinary(PE_X64).subarray(0, 66), '%1 is not a valid Win32 application.', 'wrong-arch', /CPU/],
    [
      'a program without Node-API 8',
      peBinary(PE_X64),
      'A dynamic link library (DLL) initialization routine failed.',
      'wrong-node-api',
      /another Node/,
    ],
    ['something new', peBinary(PE_X64), 'Something new', 'unknown', /Something new/],
  ])('%s is not answered by a build', (_, content, message, cause, why) => {
    const failure = explain(content, message, WINDOWS);
    expect(failure).toMatchObject({ cause, why: expect.stringMatching(why) });
    expect(failure.advice).not.toMatch(/neonsense build|build it/);
    expect(failure.advice).not.toBe('');
  });
});

describe('the message says', () => {
  const GLIBC = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.32' not found (required by FILE)";
  const CXX = "/usr/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by FILE)";
  const ABI = "The module 'FILE'\nwas compiled against a different Node.js version using\nNODE_MODULE_VERSION 93.";

  it.each<[string, string, Host, string, RegExp]>([
    ['an old glibc', GLIBC, DEBIAN, 'old-glibc', /needs glibc 2\.32 or newer, this system has 2\.28/],
    ['an old libstdc++', CXX, DEBIAN, 'old-libstdc++', /GLIBCXX_3\.4\.30/],
    [
      'a library that is not there',
      'libatomic.so.1: cannot open shared object file: No such file or directory',
      DEBIAN,
      'missing-library',
      /needs the library libatomic\.so\.1/,
    ],
    [
      "musl's words for it",
      'Error loading shared library libatomic.so.1: No such file or directory (needed by FILE)',
      { ...ALPINE, libc: 'glibc' },
      'missing-library',
      /libatomic\.so\.1/,
    ],
    [
      'the loader of another C library',
      'libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory',
      DEBIAN,
      'wrong-libc',
      /for musl/,
    ],
    ["musl's linker script", '/lib/x86_64-linux-gnu/libc.so: invalid ELF header', DEBIAN, 'wrong-libc', /for musl/],
    ['an ABI of one Node version', ABI, DEBIAN, 'wrong-node-api', /built for another Node than 22\.1\.0/],
    [
      'a newer Node-API',
      'FILE requires Node-API version 10, but this version of Node.js only supports version 9 add-ons.',
      DEBIAN,
      'wrong-node-api',
      /needs Node-API 10, Node 22\.1\.0 has 9/,
    ],
    [
      'a Node too old for a symbol',
      'FILE: undefined symbol: napi_type_tag_object',
      { ...DEBIAN, node: '12.1.0' },
      'old-node',
      /Node 12\.1\.0 is too old; neonsense needs 20\.9\.0/,
    ],
    ['pages of 16 KiB', 'FILE: ELF load command alignment not page-aligned', DEBIAN, 'page-size', /page size/],
    ['no room for TLS', 'FILE: cannot allocate memory in static TLS block', DEBIAN, 'static-tls', /thread-local/],
    ['noexec', 'FILE: failed to map segment from shared object', DEBIAN, 'not-allowed', /does not allow/],
    ['damage', 'FILE: invalid ELF header', DEBIAN, 'truncated', /damaged/],
    ['what nobody foresaw', 'FILE: a new kind of trouble\nmore', DEBIAN, 'unknown', /a new kind of trouble$/],
  ])('%s', (_, message, host, cause, why) => {
    const failure = explain(elfBinary('x64'), message, host);
    expect(failure).toMatchObject({ cause, why: expect.stringMatching(why) });
    expect(failure.advice.length).toBeGreaterThan(10);
    expect(`${failure.why}${failure.advice}`).not.toContain('\n');
  });

  it('the newest glibc asked for, not the first that was missed', () => {
    const content = elfBinary('x64', ['libc.so.6', 'GLIBC_2.2.5', 'GLIBC_2.38', 'GLIBC_2.32', 'GLIBC_2.9']);
    expect(explain(content, GLIBC, DEBIAN).why).toMatch(/needs glibc 2\.38 or newer/);
  });

  it('a library that is no Node-API addon', () => {
    const failure = explain(
      elfBinary('x64'),
      "Module did not self-register: 'FILE'.",
      DEBIAN,
      'x.node',
      'ERR_DLOPEN_FAILED',
    );
    expect(failure).toMatchObject({ cause: 'wrong-node-api', why: expect.stringMatching(/no Node-API addon/) });
  });

  it('security settings on a Mac', () => {
    const message = "dlopen(FILE, 0x0001): code signature in 'FILE' not valid for use in process";
    expect(explain(machBinary(MAC_ARM64), message, MAC)).toMatchObject({
      cause: 'not-allowed',
      advice: expect.stringMatching(/security settings/),
    });
  });
});

describe('the place says', () => {
  it('that the file is not there', () => {
    const failure = explainLoadFailure(join(folder, 'none.node'), new Error('Cannot find module'), DEBIAN);
    expect(failure).toMatchObject({ cause: 'missing-file', why: 'there is no such file' });
  });

  it('that it is a folder', () => {
    expect(explainLoadFailure(folder, new Error('Is a directory'), DEBIAN)).toMatchObject({
      cause: 'unreadable',
      why: 'it is a folder',
    });
  });

  it('that it lies inside an Electron archive, and how to unpack it', () => {
    const file = '/opt/app/resources/app.asar/node_modules/neonsense/prebuilds/linux-x64/neonsense.glibc.node';
    const failure = explainLoadFailure(file, new Error('Not a directory'), DEBIAN);
    expect(failure.cause).toBe('inside-asar');
    expect(failure.advice).toMatch(/asarUnpack/);
    expect(explainLoadFailure(file.replace('.asar', '.asar.unpacked'), new Error('x'), DEBIAN).cause).toBe(
      'missing-file',
    );
  });
});

describe('versions', () => {
  it('compare by number, not by text', () => {
    expect(isOlder('2.9', '2.28')).toBe(true);
    expect(isOlder('2.28', '2.28')).toBe(false);
    expect(isOlder('20.20.2', '20.9.0')).toBe(false);
    expect(isOlder('18.19.1', '20.9.0')).toBe(true);
  });
});

it('the running Node is read as what it is', () => {
  const { format, architectures, truncated } = readBinaryFile(process.execPath);
  expect(architectures).toContain(process.arch);
  expect(format).toBe(process.platform === 'darwin' ? 'mach-o' : 'elf');
  expect(truncated).toBe(false);
});
