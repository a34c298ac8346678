import { join } from 'node:path';
import { NeonsenseError } from '../../errors.js';
import { packageRoot } from '../../package.js';
import type { Binding } from '../binding.js';
import { isCutShort, libcOfNode } from './binaryFile.js';
import { type BinaryOrigin, binaryCandidates, prebuiltPlatforms } from './candidates.js';
import { explainLoadFailure, foreignLibcFailure, type Host, type LoadFailure } from './loadFailure.js';

/** The addon and where it came from. */
export interface LoadedBinding {
  readonly binding: Binding;
  readonly file: string;
  readonly origin: BinaryOrigin;
}

/** A file that could not be loaded. */
export interface LoadAttempt extends LoadFailure {
  readonly file: string;
  readonly origin: BinaryOrigin;
}

/** What loading is made of; tests put other things in. */
export interface LoadSource {
  readonly root: string;
  readonly override: string | undefined;
  readonly host: () => Host;
  readonly open: (file: string) => unknown;
}

let loaded: LoadedBinding | undefined;

/**
 * The native addon: the file `NEONSENSE_BINARY` names, else a build in `build/Release`, else the prebuilt binary for
 * this platform. Loaded once per thread, on first use.
 *
 * @throws {NeonsenseError} `ERR_NATIVE_LOAD` listing each file tried, why it failed and what to do.
 */
export function loadBinding(): Binding {
  return loadedBinding().binding;
}

/** The addon, the file it was loaded from and how that came there; loads it if need be. Throws as `loadBinding`. */
export function loadedBinding(): LoadedBinding {
  if (loaded !== undefined) return loaded;
  const source = thisProcess();
  const found = tryLoad(source);
  if ('attempts' in found) throw loadError(found.attempts, source);
  loaded = found;
  return found;
}

/** The file the native addon was loaded from; loads it if need be. */
export function bindingFile(): string {
  return loadedBinding().file;
}

/**
 * Tries the candidates in order; a build that does not load does not keep a prebuilt binary from being tried.
 *
 * @returns the first that loads, or why each did not; never throws
 */
export function tryLoad(source: LoadSource = thisProcess()): LoadedBinding | { readonly attempts: LoadAttempt[] } {
  const { platform, arch } = process;
  const attempts: LoadAttempt[] = [];
  let host: Host | undefined;
  for (const { file, origin, foreignLibc } of binaryCandidates({ ...source, platform, arch })) {
    if (foreignLibc !== undefined) {
      attempts.push({ file, origin, ...foreignLibcFailure(foreignLibc, (host ??= source.host())) });
      continue;
    }
    try {
      return { binding: bindingOf(source.open(file)), file, origin };
    } catch (error) {
      attempts.push({ file, origin, ...explainLoadFailure(file, error, (host ??= source.host())) });
    }
  }
  if (attempts.length === 0) attempts.push(nothingThere(source.root));
  return { attempts };
}

/** All that is known of why nothing loads, as one error. */
export function loadError(attempts: readonly LoadAttempt[], source: LoadSource = thisProcess()): NeonsenseError {
  const { platform, arch, node, libc, glibc } = source.host();
  const system = [`${platform}-${arch}`, libc === 'glibc' ? `glibc ${glibc ?? ''}`.trim() : libc].filter(Boolean);
  return new NeonsenseError(
    'ERR_NATIVE_LOAD',
    [
      `The native addon could not be loaded on ${system.join(', ')} with Node ${node}. Tried:`,
      ...attempts.map(({ file, why, advice }) => `- ${file}: ${why}. What to do: ${advice}`),
      'More about this machine: npx neonsense doctor',
    ].join('\n'),
  );
}

function nothingThere(root: string): LoadAttempt {
  const { platform, arch } = process;
  // A folder for this platform may be there, but without a binary in it.
  const others = prebuiltPlatforms(root).filter((name) => name !== `${platform}-${arch}`);
  const supported = ['linux', 'darwin', 'android', 'win32'].includes(platform) && ['x64', 'arm64'].includes(arch);
  const builds = platform !== 'win32';
  const file = join(root, 'prebuilds', `${platform}-${arch}`);
  const why =
    others.length === 0
      ? 'there is neither a prebuilt binary nor a build'
      : `there is no prebuilt binary for this platform, only for ${others.join(', ')}`;
  const ways = [
    ...(others.length > 0 || !builds ? ['install neonsense again on this machine'] : []),
    ...(builds ? ['build it here: npx neonsense build'] : []),
  ];
  const advice = supported
    ? ways.join(', or ')
    : 'neonsense runs on Linux, macOS, Windows and Android, on 64-bit ARM and x86 CPUs; use one of these';
  return { file, origin: 'prebuild', cause: 'missing-file', why, advice };
}

/** @throws {Error} where the file loads but is somebody else's addon */
function bindingOf(value: unknown): Binding {
  const binding = (typeof value === 'object' && value !== null ? value : {}) as Partial<Binding>;
  if (typeof binding.createSession !== 'function' || typeof binding.cpu !== 'function') {
    throw new Error('it is an addon, but not one of neonsense');
  }
  return value as Binding;
}

function thisProcess(): LoadSource {
  return {
    root: packageRoot,
    override: process.env['NEONSENSE_BINARY'],
    host: thisHost,
    open: (file) => {
      // The system maps a file as long as its header says and is killed (SIGBUS) when it touches what is not there.
      if (isCutShort(file)) throw new Error('file too short');
      // Not by require, which runs a file as JavaScript unless its name ends in `.node`.
      const addon = { exports: {} };
      process.dlopen(addon, file);
      return addon.exports;
    },
  };
}

/** What of this machine decides whether a binary loads. Takes tens of milliseconds. */
export function thisHost(): Host {
  const { platform, arch, versions } = process;
  const libc = libcOfNode();
  return {
    platform,
    arch,
    node: versions.node,
    napi: versions['napi'] ?? 'unknown',
    libc,
    glibc: libc === 'glibc' ? glibcVersion() : undefined,
  };
}

function glibcVersion(): string | undefined {
  // Without this Node asks the name server for each open connection. (In Node 20 an unknown property, harmless.)
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}
