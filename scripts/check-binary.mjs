#!/usr/bin/env node
// Reads a built addon (ELF) and says whether it can be shipped: what it needs from the machine that loads it, and what
// it shows.
//
//   node scripts/check-binary.mjs FILE [--arch arm64|x64] [--max-glibc 2.28] [--allow-needed LIB[,LIB...]]
//                                 [--max-bytes N] [--json]
//
// Exit code 0 when every expectation holds, 1 when one does not or the file can't be read.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ElfError, readElf } from './elf.mjs';

const NODE_API_ENTRIES = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** What every glibc or musl system has; libstdc++ and libgcc_s are linked in. */
const SYSTEM_LIBRARIES = [
  'libc.so.6',
  'libm.so.6',
  'libpthread.so.0',
  'libdl.so.2',
  'librt.so.1',
  'ld-linux-aarch64.so.1',
  'ld-linux-x86-64.so.2',
  'libc.so',
  'libc.musl-aarch64.so.1',
  'libc.musl-x86_64.so.1',
];
const PAGE_16K = 16384;

/**
 * What a reader wants to know of a binary, from its bytes.
 * @param {Buffer} file
 */
export function describeBinary(file) {
  const elf = readElf(file);
  const glibc = [...elf.versions.values()].flat().filter((version) => /^GLIBC_\d/.test(version));
  return {
    format: 'elf',
    arch: elf.machine,
    bytes: file.length,
    needed: elf.needed,
    highestGlibc: highestVersion(glibc.map((version) => version.slice('GLIBC_'.length))),
    segmentAlignment: Math.min(...elf.segments.map((segment) => segment.align)),
    writableCode: elf.segments.some((segment) => segment.flags.includes('w') && segment.flags.includes('x')),
    executableStack: elf.executableStack,
    relro: elf.relro,
    textRelocations: elf.textRelocations,
    runpath: elf.runpath,
    exported: elf.exported,
    buildPaths: buildPaths(file),
  };
}

/**
 * @param {ReturnType<typeof describeBinary>} binary
 * @param {{ arch?: string, maxGlibc?: string, allowNeeded?: string[], maxBytes?: number }} expected
 * @returns {string[]} one sentence a failed expectation
 */
export function problemsOf(binary, expected = {}) {
  const problems = [];
  const expect = (holds, message) => {
    if (!holds) problems.push(message);
  };
  if (expected.arch !== undefined)
    expect(binary.arch === expected.arch, `is for ${binary.arch}, expected ${expected.arch}`);
  const strangers = binary.needed.filter(
    (name) => !SYSTEM_LIBRARIES.includes(name) && !(expected.allowNeeded ?? []).includes(name),
  );
  expect(strangers.length === 0, `needs ${strangers.join(', ')}, which a machine may lack: link it statically`);
  if (expected.maxGlibc !== undefined && binary.highestGlibc !== undefined) {
    expect(
      compareVersions(binary.highestGlibc, expected.maxGlibc) <= 0,
      `needs glibc ${binary.highestGlibc}, expected at most ${expected.maxGlibc}`,
    );
  }
  expect(
    binary.arch !== 'arm64' || binary.segmentAlignment >= PAGE_16K,
    `segments are aligned to ${binary.segmentAlignment} bytes; with 16 KiB pages (Raspberry Pi 5) it takes ${PAGE_16K}`,
  );
  const exposed = binary.exported.filter((name) => !NODE_API_ENTRIES.includes(name));
  expect(
    exposed.length === 0,
    `exports ${exposed.length} symbols besides the Node-API entry (${shorten(exposed, 5)})`,
  );
  expect(binary.exported.includes(NODE_API_ENTRIES[0]), `does not export ${NODE_API_ENTRIES[0]}: Node can't load it`);
  expect(!binary.executableStack, 'asks for an executable stack');
  expect(!binary.writableCode, 'has a segment that is writable and executable');
  expect(!binary.textRelocations, 'has text relocations (an object was built without -fPIC)');
  expect(binary.runpath.length === 0, `carries the library search path ${binary.runpath.join(':')}`);
  expect(
    binary.buildPaths.length === 0,
    `carries ${binary.buildPaths.length} paths of the build machine, e.g. ${binary.buildPaths[0]}`,
  );
  if (expected.maxBytes !== undefined) {
    expect(binary.bytes <= expected.maxBytes, `is ${binary.bytes} bytes, expected at most ${expected.maxBytes}`);
  }
  return problems;
}

/** Absolute paths of source files, and anything below the home or the project folder of whoever built it. */
function buildPaths(file) {
  const text = file.toString('latin1');
  const found = new Set(
    text.match(/\/[\w.+@~-]+(?:\/[\w.+@~ -]+)+\.(?:c|cc|cpp|cxx|h|hpp|S|s|in|cmake)(?=\0|:)/g) ?? [],
  );
  const project = resolve(dirname(fileURLToPath(import.meta.url)), '..');
  for (const folder of [project, homedir()]) {
    if (folder.length < 3) continue;
    for (let at = text.indexOf(`${folder}/`); at >= 0; at = text.indexOf(`${folder}/`, at + 1)) {
      found.add(/^[\x20-\x7e]*/.exec(text.slice(at, at + 300))[0]);
    }
  }
  return [...found].sort();
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
  const options = { file: undefined, json: false, expected: {} };
  for (let i = 0; i < argv.length; i++) {
    const value = () => {
      if (argv[i + 1] === undefined) throw new ElfError(`${argv[i]} needs a value`);
      return argv[++i];
    };
    if (argv[i] === '--json') options.json = true;
    else if (argv[i] === '--arch') options.expected.arch = value();
    else if (argv[i] === '--max-glibc') options.expected.maxGlibc = value();
    else if (argv[i] === '--allow-needed') options.expected.allowNeeded = value().split(',');
    else if (argv[i] === '--max-bytes') options.expected.maxBytes = Number(value());
    else if (argv[i].startsWith('-') || options.file !== undefined) throw new ElfError(`unknown argument ${argv[i]}`);
    else options.file = argv[i];
  }
  if (options.file === undefined) throw new ElfError('which file? node scripts/check-binary.mjs FILE');
  return options;
}

function main(argv) {
  const options = parse(argv);
  const binary = describeBinary(readFileSync(options.file));
  const problems = problemsOf(binary, options.expected);
  if (options.json) {
    console.log(JSON.stringify({ file: options.file, ...binary, problems }, null, 2));
  } else {
    console.log(`${options.file}: ${binary.arch} ELF, ${(binary.bytes / 2 ** 20).toFixed(2)} MiB`);
    console.log(`  needs      ${binary.needed.join(', ') || 'no library'}; glibc ${binary.highestGlibc ?? 'none'}`);
    console.log(
      `  segments   aligned to ${binary.segmentAlignment} bytes, ${binary.relro ? '' : 'not '}read-only after relocation`,
    );
    console.log(
      `  exports    ${shorten(binary.exported, 5) || 'nothing'}`,
    );
    for (const problem of problems) console.error(`  PROBLEM    ${problem}`);
  }
  return problems.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  try {
    process.exitCode = main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ElfError) && error.code === undefined) throw error;
    console.error(`check-binary: ${error.message}`);
    process.exitCode = 1;
  }
}
