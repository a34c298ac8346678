#!/usr/bin/env node
// Reads a built addon (ELF, Mach-O or PE) and says whether it can be shipped: what it needs from the machine that loads it,
// and what it shows.
//
//   node scripts/build/check-binary.mjs FILE --target TARGET     as scripts/build/cross/targets.mjs expects it of a target
//   node scripts/build/check-binary.mjs FILE [--format elf|mach-o|pe] [--arch arm64|x64] [--libc glibc|musl|bionic]
//                                 [--max-glibc 2.28] [--max-macos 11.0] [--baseline armv8-a]
//                                 [--allow-needed LIB[,LIB...]] [--max-bytes N]
//   and with either [--symbols FILE] [--json]
//
// --symbols is the same binary before it was stripped; FILE.symbols is taken where it is there. It is needed to tell
// which function an instruction belongs to. Exit code 0 when every expectation holds, 1 when one does not or the file
// can't be read.

import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { extensionsIn, forbiddenExtensionsIn } from './arm64-instructions.mjs';
import { BinaryError } from './binary-file.mjs';
import { targets } from './cross/targets.mjs';
import { readElf, readElfCode } from './elf.mjs';
import { readMachO } from './mach-o.mjs';
import { readPe } from './pe.mjs';

const NODE_API_ENTRIES = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** What every system of that kind has; libstdc++ or libc++ and libgcc_s are linked in. */
const SYSTEM_LIBRARIES = {
  glibc: [
    'libc.so.6',
    'libm.so.6',
    'libpthread.so.0',
    'libdl.so.2',
    'librt.so.1',
    'ld-linux-aarch64.so.1',
    'ld-linux-x86-64.so.2',
  ],
  musl: ['libc.so', 'libc.musl-aarch64.so.1', 'libc.musl-x86_64.so.1'],
  bionic: ['libc.so', 'libm.so', 'libdl.so', 'liblog.so'],
  macos: ['/usr/lib/libSystem.B.dylib', '/usr/lib/libc++.1.dylib'],
  // With the parts of Windows 10's C library, whose names begin with WINDOWS_C_LIBRARY. Not node.exe: its name would be
  // looked for, and an Electron app has another.
  windows: ['kernel32.dll', 'ntdll.dll', 'advapi32.dll'],
};
const WINDOWS_C_LIBRARY = 'api-ms-win-crt-';
/** Zig's linker exports what it defines itself; nothing that another library could mistake for its own. */
const MACH_O_LINKER_SYMBOLS = ['_mh_dylib_header', '__dso_handle'];
const PAGE_16K = 16384;
/** Electron's V8 ends the process when it is handed memory of others. A symbol that is asked for is there by its name. */
const EXTERNAL_BUFFERS = ['napi_create_external_arraybuffer', 'napi_create_external_buffer'];

/**
 * What a reader wants to know of a binary, from its bytes.
 * @param {Buffer} file
 * @param {Buffer} [withSymbols]  the same binary before it was stripped
 * @throws {BinaryError} where one of them can't be read
 */
export function describeBinary(file, withSymbols) {
  const isMachO = file.length >= 4 && file.readUInt32LE(0) === 0xfeedfacf;
  const isPe = file.length >= 2 && file.readUInt16LE(0) === 0x5a4d;
  const binary = isMachO ? describeMachO(file) : isPe ? describePe(file) : describeElf(file, withSymbols);
  const externalBuffers = EXTERNAL_BUFFERS.filter((name) => file.includes(`${name}\0`));
  return { ...binary, bytes: file.length, externalBuffers, buildPaths: buildPaths(file) };
}

function describeElf(file, withSymbols) {
  const elf = readElf(file);
  const versions = [...elf.versions.values()].flat();
  return {
    format: 'elf',
    arch: elf.machine,
    libc: libcOf(elf.needed, versions),
    needed: elf.needed,
    highestGlibc: highestVersion(
      versions.filter((each) => /^GLIBC_\d/.test(each)).map((each) => each.slice('GLIBC_'.length)),
    ),
    segmentAlignment: Math.min(...elf.segments.map((segment) => (segment.congruent ? segment.align : 1))),
    writableCode: elf.segments.some(isWritableCode),
    executableStack: elf.executableStack,
    relro: elf.relro,
    textRelocations: elf.textRelocations,
    packedRelocations: elf.packedRelocations,
    staticTls: elf.staticTls,
    staysLoaded: elf.staysLoaded,
    runpath: elf.runpath,
    exported: elf.exported,
    extensions: elf.machine === 'arm64' && withSymbols !== undefined ? extensionsOf(file, withSymbols) : undefined,
  };
}

function describeMachO(file) {
  const macho = readMachO(file);
  return {
    format: 'mach-o',
    arch: macho.machine,
    libc: macho.platform,
    needed: macho.needed,
    oldestMacos: macho.minimum,
    segmentAlignment: Math.min(...macho.segments.flatMap(({ address, offset }) => [address, offset]).map(alignmentOf)),
    writableCode: macho.segments.some(isWritableCode),
    signed: macho.signed,
    runpath: macho.runpath,
    exported: macho.exported.filter((name) => !MACH_O_LINKER_SYMBOLS.includes(name)),
  };
}

function describePe(file) {
  const pe = readPe(file);
  return {
    format: 'pe',
    arch: pe.machine,
    libc: 'windows',
    needed: pe.needed.map((name) => name.toLowerCase()).filter((name) => !name.startsWith(WINDOWS_C_LIBRARY)),
    minimumSystem: pe.minimumSystem,
    writableCode: pe.segments.some(isWritableCode),
    movable: pe.movable,
    dataNotCode: pe.dataNotCode,
    runpath: [],
    exported: pe.exported,
    extensions: pe.machine === 'arm64' ? forbiddenExtensionsIn(pe.code) : undefined,
  };
}

function libcOf(needed, versions) {
  if (versions.some((each) => each.startsWith('GLIBC_')) || needed.includes('libc.so.6')) return 'glibc';
  if (versions.includes('LIBC')) return 'bionic';
  if (needed.some((name) => SYSTEM_LIBRARIES.musl.includes(name))) return 'musl';
  return 'none';
}

/** Use of arm64 extensions, by function; only of code that is the same in both files. */
function extensionsOf(file, withSymbols) {
  const { code, functions } = readElfCode(withSymbols);
  for (const { offset, bytes } of code) {
    if (!file.subarray(offset, offset + bytes.length).equals(bytes))
      throw new BinaryError('the binary with symbols has other code: the two are not of one build');
  }
  return extensionsIn(code, functions);
}

/**
 * @param {ReturnType<typeof describeBinary>} binary
 * @param {{ format?: string, arch?: string, libc?: string, maxGlibc?: string, maxMacos?: string, baseline?: string,
 *   allowNeeded?: string[], maxBytes?: number }} expected
 * @returns {string[]} one sentence a failed expectation
 */
export function problemsOf(binary, expected = {}) {
  const problems = [];
  const expect = (holds, message) => {
    if (!holds) problems.push(message);
  };
  const expectSame = (name, actual) =>
    expect(expected[name] === undefined || actual === expected[name], `is for ${actual}, expected ${expected[name]}`);
  expectSame('format', binary.format);
  expectSame('arch', binary.arch);
  expectSame('libc', binary.libc);
  const kind = LIBRARIES_OF[binary.format] ?? expected.libc ?? binary.libc;
  const allowed = [...(SYSTEM_LIBRARIES[kind] ?? []), ...(expected.allowNeeded ?? [])];
  const strangers = binary.needed.filter((name) => !allowed.includes(name));
  expect(strangers.length === 0, `needs ${strangers.join(', ')}, which a machine may lack: link it statically`);
  const exposed = binary.exported.filter((name) => !NODE_API_ENTRIES.includes(name));
  expect(exposed.length === 0, `exports ${exposed.length} symbols besides the Node-API entry (${shorten(exposed, 5)})`);
  expect(binary.exported.includes(NODE_API_ENTRIES[0]), `does not export ${NODE_API_ENTRIES[0]}: Node can't load it`);
  expect(
    binary.arch !== 'arm64' || binary.segmentAlignment === undefined || binary.segmentAlignment >= PAGE_16K,
    `segments are aligned to ${binary.segmentAlignment} bytes; with 16 KiB pages (Raspberry Pi 5) it takes ${PAGE_16K}`,
  );
  expect(
    binary.externalBuffers.length === 0,
    `calls ${binary.externalBuffers.join(' and ')}, which Electron forbids: copy into a buffer that Node made`,
  );
  expect(!binary.writableCode, 'has a segment that is writable and executable');
  expect(binary.runpath.length === 0, `carries the library search path ${binary.runpath.join(':')}`);
  expect(
    binary.buildPaths.length === 0,
    `carries ${binary.buildPaths.length} paths of the build machine, e.g. ${binary.buildPaths[0]}`,
  );
  if (expected.maxBytes !== undefined) {
    expect(binary.bytes <= expected.maxBytes, `is ${binary.bytes} bytes, expected at most ${expected.maxBytes}`);
  }
  PROBLEMS_OF[binary.format](binary, expected, expect);
  return problems;
}

/** Formats whose system tells which libraries are there. */
const LIBRARIES_OF = { 'mach-o': 'macos', pe: 'windows' };
const PROBLEMS_OF = { elf: problemsOfElf, 'mach-o': problemsOfMachO, pe: problemsOfPe };

function problemsOfElf(binary, expected, expect) {
  if (expected.maxGlibc !== undefined && binary.highestGlibc !== undefined) {
    expect(
      compareVersions(binary.highestGlibc, expected.maxGlibc) <= 0,
      `needs glibc ${binary.highestGlibc}, expected at most ${expected.maxGlibc}`,
    );
  }
  expect(!binary.executableStack, 'asks for an executable stack');
  expect(!binary.textRelocations, 'has text relocations (an object was built without -fPIC)');
  expect(
    !binary.packedRelocations,
    'has packed relocations (RELR), which glibc before 2.36 and musl before 1.2.4 leave undone',
  );
  expect(!binary.staticTls, 'has thread-local variables in the initial-exec model: musl refuses to dlopen it');
  expect(
    binary.staysLoaded,
    'is unloaded with the worker thread that loaded it (not linked with -z nodelete), and the process then ends in a crash',
  );
  problemsOfBaseline(binary, expected, expect);
}

function problemsOfBaseline(binary, expected, expect) {
  if (expected.baseline === undefined) return;
  expect(
    binary.extensions !== undefined,
    `was not searched for instructions that ${expected.baseline} lacks: its symbols are missing (--symbols FILE)`,
  );
  for (const { extension, unguarded } of binary.extensions ?? []) {
    expect(
      unguarded.length === 0,
      `uses ${extension}, which ${expected.baseline} lacks, in code that runs on every CPU: ${shorten(unguarded, 5)}`,
    );
  }
}

function problemsOfMachO(binary, expected, expect) {
  expect(binary.libc === 'macos', `is for ${binary.libc}, expected macos`);
  expect(binary.arch !== 'arm64' || binary.signed, 'carries no signature: Apple silicon refuses it');
  if (expected.maxMacos !== undefined) {
    expect(
      binary.oldestMacos !== undefined && compareVersions(binary.oldestMacos, expected.maxMacos) <= 0,
      `needs macOS ${binary.oldestMacos ?? '?'}, expected at most ${expected.maxMacos}`,
    );
  }
}

function problemsOfPe(binary, expected, expect) {
  expect(binary.movable, 'must lie at one address (no ASLR)');
  expect(binary.dataNotCode, 'may run data as code (no DEP)');
  problemsOfBaseline(binary, expected, expect);
}

/** Absolute paths of source files, and anything below the home or the project folder of whoever built it. */
function buildPaths(file) {
  const text = file.toString('latin1');
  const found = new Set(
    text.match(/\/[\w.+@~-]+(?:\/[\w.+@~ -]+)+\.(?:c|cc|cpp|cxx|h|hpp|S|s|in|cmake)(?=\0|:)/g) ?? [],
  );
  const project = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
  for (const folder of [project, homedir()]) {
    if (folder.length < 3) continue;
    for (let at = text.indexOf(`${folder}/`); at >= 0; at = text.indexOf(`${folder}/`, at + 1)) {
      found.add(/^[\x20-\x7e]*/.exec(text.slice(at, at + 300))[0]);
    }
  }
  return [...found].sort();
}

function isWritableCode({ flags }) {
  return flags.includes('w') && flags.includes('x');
}

/** The largest power of two, up to 2^20, that divides an address. */
function alignmentOf(address) {
  let alignment = 1;
  while (alignment < 2 ** 20 && address % (2 * alignment) === 0) alignment *= 2;
  return alignment;
}

function shorten(names, most) {
  return names.length > most ? `${names.slice(0, most).join(', ')}, ... (${names.length})` : names.join(', ');
}

function highestVersion(versions) {
  return versions.reduce(
    (best, each) => (best === undefined || compareVersions(each, best) > 0 ? each : best),
    undefined,
  );
}

function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function parse(argv) {
  const options = { file: undefined, symbols: undefined, json: false, expected: {} };
  const texts = {
    '--format': 'format',
    '--arch': 'arch',
    '--libc': 'libc',
    '--max-glibc': 'maxGlibc',
    '--max-macos': 'maxMacos',
    '--baseline': 'baseline',
  };
  for (let i = 0; i < argv.length; i++) {
    const value = () => {
      if (argv[i + 1] === undefined) throw new BinaryError(`${argv[i]} needs a value`);
      return argv[++i];
    };
    if (argv[i] === '--json') options.json = true;
    else if (argv[i] === '--symbols') options.symbols = value();
    else if (argv[i] === '--target') Object.assign(options.expected, expectationsOf(value()));
    else if (Object.hasOwn(texts, argv[i])) options.expected[texts[argv[i]]] = value();
    else if (argv[i] === '--allow-needed') options.expected.allowNeeded = value().split(',');
    else if (argv[i] === '--max-bytes') options.expected.maxBytes = Number(value());
    else if (argv[i].startsWith('-') || options.file !== undefined)
      throw new BinaryError(`unknown argument ${argv[i]}`);
    else options.file = argv[i];
  }
  if (options.file === undefined) throw new BinaryError('which file? node scripts/build/check-binary.mjs FILE');
  if (options.symbols === undefined && existsSync(`${options.file}.symbols`))
    options.symbols = `${options.file}.symbols`;
  return options;
}

function expectationsOf(name) {
  if (!Object.hasOwn(targets, name))
    throw new BinaryError(`--target: expected one of ${Object.keys(targets).join(', ')}, got ${name}`);
  return targets[name].expect;
}

function main(argv) {
  const options = parse(argv);
  const symbols = options.symbols === undefined ? undefined : readFileSync(options.symbols);
  const binary = describeBinary(readFileSync(options.file), symbols);
  const problems = problemsOf(binary, options.expected);
  if (options.json) {
    console.log(JSON.stringify({ file: options.file, ...binary, problems }, null, 2));
  } else {
    const system = {
      elf: `glibc ${binary.highestGlibc ?? 'none'}`,
      'mach-o': `macOS ${binary.oldestMacos}`,
      pe: "Windows 10's C library",
    }[binary.format];
    const relro = binary.format === 'elf' ? `, ${binary.relro ? '' : 'not '}read-only after relocation` : '';
    const format = { elf: 'ELF', 'mach-o': 'Mach-O', pe: 'PE' }[binary.format];
    console.log(`${options.file}: ${binary.arch} ${format}, ${(binary.bytes / 2 ** 20).toFixed(2)} MiB`);
    console.log(`  needs      ${binary.needed.join(', ') || 'no library'}; ${system}`);
    if (binary.segmentAlignment !== undefined)
      console.log(`  segments   aligned to ${binary.segmentAlignment} bytes${relro}`);
    console.log(`  exports    ${shorten(binary.exported, 5) || 'nothing'}`);
    for (const { extension, functions, unguarded } of binary.extensions ?? [])
      console.log(`  ${extension}: ${functions.length} functions, ${unguarded.length} of them not behind a check`);
    for (const problem of problems) console.error(`  PROBLEM    ${problem}`);
  }
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof BinaryError) && error.code === undefined) throw error;
    console.error(`check-binary: ${error.message}`);
    process.exitCode = 1;
  }
}
