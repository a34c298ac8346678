import { machineLimit } from '../../machineLimit.js';
import { type BinaryFile, isOlder, type Libc, readBinaryFile } from './binaryFile.js';
import { isInsideAsar } from './candidates.js';

/** Why an addon can't be loaded, for programs. */
export type LoadCause =
  | 'missing-file'
  | 'inside-asar'
  | 'unreadable'
  | 'not-a-binary'
  | 'truncated'
  | 'wrong-platform'
  | 'wrong-arch'
  | 'wrong-libc'
  | 'old-glibc'
  | 'old-libstdc++'
  | 'missing-library'
  | 'old-node'
  | 'wrong-node-api'
  | 'page-size'
  | 'static-tls'
  | 'not-allowed'
  | 'machine-limit'
  | 'unknown';

/** One reason, for people. */
export interface LoadFailure {
  readonly cause: LoadCause;
  /** What is the matter with the file, one sentence without a full stop. */
  readonly why: string;
  /** What to do about it, one sentence without a full stop. */
  readonly advice: string;
}

/** What the reasons depend on. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  /** Version of Node, without `v`. */
  readonly node: string;
  /** The newest Node-API version this Node has. */
  readonly napi: string;
  readonly libc: Libc | undefined;
  /** Version of glibc where that is the C library. */
  readonly glibc: string | undefined;
}

/** Oldest Node that is supported, as package.json says. */
export const OLDEST_NODE = '20.9.0';

const BUILD = 'build it on this machine: npx neonsense build';
const REINSTALL = 'install neonsense again on this machine instead of copying node_modules from another';
const FORMATS: Readonly<Record<string, BinaryFile['format']>> = {
  linux: 'elf',
  android: 'elf',
  darwin: 'mach-o',
  win32: 'pe',
};
const FORMAT_NAMES = { elf: 'Linux or Android', 'mach-o': 'macOS', pe: 'Windows', unknown: 'another system' };

/**
 * Says why `file` could not be loaded, from the loader's message and the file's own header: messages differ between
 * loaders, and some name a consequence instead of the cause.
 *
 * @param error what loading it threw
 * @param read reads the file's header; for tests
 */
export function explainLoadFailure(
  file: string,
  error: unknown,
  host: Host,
  read: (file: string) => BinaryFile = readBinaryFile,
): LoadFailure {
  const failure = failureOf(file, error, host, read);
  if (host.platform !== 'win32') return failure;
  // Nothing is built there.
  return { ...failure, advice: failure.advice.replace(`, or ${BUILD}`, '').replace(BUILD, REINSTALL) };
}

function failureOf(file: string, error: unknown, host: Host, read: (file: string) => BinaryFile): LoadFailure {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: string };
  const message = error instanceof Error ? error.message : String(error);
  if (isInsideAsar(file)) {
    return {
      cause: 'inside-asar',
      why: "it lies inside an Electron archive, from which the system can't load libraries",
      advice:
        "unpack it: asarUnpack ['**/*.node'] for electron-builder, packagerConfig.asar " +
        "{ unpack: '**/*.node' } for Forge",
    };
  }
  let binary: BinaryFile | undefined;
  try {
    binary = read(file);
  } catch (cause) {
    const { code: reason } = cause as NodeJS.ErrnoException;
    if (reason === 'ENOENT' || reason === 'ENOTDIR') {
      return { cause: 'missing-file', why: 'there is no such file', advice: `check the path, or ${BUILD}` };
    }
    const limit = limitFailure(cause);
    if (limit !== undefined) return limit;
    const why = reason === 'EISDIR' ? 'it is a folder' : `it can't be read (${reason ?? String(cause)})`;
    return { cause: 'unreadable', why, advice: 'name a file this user may read' };
  }
  return (
    fromHeader(binary, host) ??
    fromMessage(message, code, binary, file, host) ??
    limitFailure(error) ?? {
      cause: 'unknown',
      why: firstLine(message),
      advice: `${BUILD}, or report it with the output of npx neonsense doctor`,
    }
  );
}

/** What the machine or Node was told not to give, which says nothing about the file. */
function limitFailure(error: unknown): LoadFailure | undefined {
  const why = machineLimit(error);
  return why === undefined ? undefined : { cause: 'machine-limit', why, advice: 'change that, and start again' };
}

/** Why a file that is named for another C library was not even opened. */
export function foreignLibcFailure(libc: Libc, host: Host): LoadFailure {
  return wrongLibc(libc, host);
}

function fromHeader(binary: BinaryFile, host: Host): LoadFailure | undefined {
  if (binary.format === 'unknown') {
    const size = binary.bytes === 0 ? 'it is empty' : `it is no binary (${binary.bytes} bytes)`;
    return { cause: 'not-a-binary', why: size, advice: `${REINSTALL}, or ${BUILD}` };
  }
  if (binary.format !== (FORMATS[host.platform] ?? binary.format)) {
    const why = `it is for ${FORMAT_NAMES[binary.format]}, this is ${host.platform}`;
    return { cause: 'wrong-platform', why, advice: `${REINSTALL}, or ${BUILD}` };
  }
  if (binary.truncated) {
    const why = `it is cut short (${binary.bytes} bytes)`;
    return { cause: 'truncated', why, advice: `${REINSTALL}, or ${BUILD}` };
  }
  if (binary.architectures.length > 0 && !binary.architectures.includes(host.arch)) {
    const why = `it is for ${binary.architectures.join(' and ')}, this Node is for ${host.arch}`;
    const other = host.platform === 'darwin' ? 'use a Node for this CPU (not under Rosetta)' : REINSTALL;
    return { cause: 'wrong-arch', why, advice: `${other}, or ${BUILD}` };
  }
  if (binary.libc !== undefined && host.libc !== undefined && binary.libc !== host.libc) {
    return wrongLibc(binary.libc, host);
  }
  return undefined;
}

function wrongLibc(libc: Libc, host: Host): LoadFailure {
  const here = host.libc === undefined ? 'another C library' : nameOf(host.libc);
  const why = `it is for ${nameOf(libc)}, this Node runs on ${here}`;
  return { cause: 'wrong-libc', why, advice: `${REINSTALL}, or ${BUILD}` };
}

function nameOf(libc: Libc): string {
  return { glibc: 'glibc (Debian, Fedora...)', musl: 'musl (Alpine...)', bionic: 'Android' }[libc];
}

function fromMessage(
  message: string,
  code: string | undefined,
  binary: BinaryFile,
  file: string,
  host: Host,
): LoadFailure | undefined {
  const glibc = /version [`'"]GLIBC_(\d[\d.]*)'? not found/.exec(message)?.[1];
  if (glibc !== undefined) {
    const needed = binary.glibc !== undefined && isOlder(glibc, binary.glibc) ? binary.glibc : glibc;
    const why = `it needs glibc ${needed} or newer${host.glibc === undefined ? '' : `, this system has ${host.glibc}`}`;
    return { cause: 'old-glibc', why, advice: `${BUILD}, or use a newer system` };
  }
  const cxx = /version [`'"]((?:GLIBCXX|CXXABI)_[\d.]+)'? not found/.exec(message)?.[1];
  if (cxx !== undefined) {
    const why = `it needs a newer C++ library (${cxx}) than this system has`;
    return { cause: 'old-libstdc++', why, advice: BUILD };
  }
  const library = missingLibrary(message, file);
  if (library !== undefined) {
    const foreign = libcOfLibrary(library);
    if (foreign !== undefined && foreign !== host.libc) return wrongLibc(foreign, host);
    const why = `it needs the library ${library}, which this system lacks`;
    return { cause: 'missing-library', why, advice: `install ${library}, or ${BUILD}` };
  }
  if (/libc\.so: invalid ELF header/.test(message)) return wrongLibc('musl', host);
  if (
    /NODE_MODULE_VERSION|requires Node-API version|(undefined symbol: |Error relocating .*)(napi|node_api)_/.test(
      message,
    )
  ) {
    return isOlder(host.node, OLDEST_NODE) ? oldNode(host) : wrongNodeApi(message, host);
  }
  // What loads the addon lacks functions of Node-API: the addon itself says no then.
  if (/initialization routine failed/.test(message)) return wrongNodeApi(message, host);
  if (code === 'ERR_DLOPEN_FAILED' && /did not self-register/.test(message)) {
    const why = 'it is a library but no Node-API addon';
    return { cause: 'wrong-node-api', why, advice: `check the path, or ${BUILD}` };
  }
  if (/wrong ELF class|Exec format error|incompatible architecture|Bad CPU type|not a valid Win32/i.test(message)) {
    const found = binary.architectures.join(' and ') || 'another CPU';
    const why = `it is for ${found}, this Node is for ${host.arch}`;
    return { cause: 'wrong-arch', why, advice: `${REINSTALL}, or ${BUILD}` };
  }
  if (/file too short|truncated|invalid ELF header|not a mach-o|slice is not valid/i.test(message)) {
    const why = `it is damaged (${firstLine(message)})`;
    return { cause: 'truncated', why, advice: `${REINSTALL}, or ${BUILD}` };
  }
  if (/not page-aligned/.test(message)) {
    const why = 'its segments do not fit the page size of this kernel';
    return { cause: 'page-size', why, advice: BUILD };
  }
  if (/static TLS/.test(message)) {
    const why = 'other libraries have used up the space for thread-local variables';
    return { cause: 'static-tls', why, advice: 'import neonsense before other native packages' };
  }
  if (/failed to map segment|Permission denied|Operation not permitted|code signature|not allowed/i.test(message)) {
    const why = `the system does not allow to load it (${firstLine(message)})`;
    const advice =
      host.platform === 'darwin'
        ? 'allow it in the security settings, or sign it'
        : 'keep node_modules on a file system that is not mounted noexec, and look at SELinux or AppArmor';
    return { cause: 'not-allowed', why, advice };
  }
  return isOlder(host.node, OLDEST_NODE) ? oldNode(host) : undefined;
}

function oldNode({ node }: Host): LoadFailure {
  return {
    cause: 'old-node',
    why: `Node ${node} is too old; neonsense needs ${OLDEST_NODE} or newer`,
    advice: 'install a newer Node',
  };
}

function wrongNodeApi(message: string, { node, napi }: Host): LoadFailure {
  const version = /requires Node-API version (\d+)/.exec(message)?.[1];
  const why =
    version === undefined
      ? `it was built for another Node than ${node} (Node-API ${napi})`
      : `it needs Node-API ${version}, Node ${node} has ${napi}`;
  return { cause: 'wrong-node-api', why, advice: `install a newer Node, or ${BUILD}` };
}

/** The library that the loader looked for in vain, in the words of glibc, musl, bionic and Apple. */
function missingLibrary(message: string, file: string): string | undefined {
  const name =
    /^(?:Error: )?([^\s:]+): cannot open shared object file/m.exec(message)?.[1] ??
    /Error loading shared library ([^\s:]+):/.exec(message)?.[1] ??
    /library "([^"]+)" not found/.exec(message)?.[1] ??
    /Library not loaded: (\S+)/.exec(message)?.[1];
  return name === file ? undefined : name;
}

function libcOfLibrary(library: string): Libc | undefined {
  if (/^(libc\.musl-|ld-musl-)/.test(library)) return 'musl';
  if (/^(libc\.so\.6|ld-linux)/.test(library)) return 'glibc';
  return /^(liblog|libandroid)\.so$/.test(library) ? 'bionic' : undefined;
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
