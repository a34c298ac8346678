import { existsSync, readdirSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import nodeGypBuild from 'node-gyp-build/node-gyp-build.js';
import { type Libc, libcOfNode } from './binaryFile.js';

/** How a binary came to be where it was found. */
export type BinaryOrigin = 'NEONSENSE_BINARY' | 'build' | 'prebuild';

/** A file that may be the addon for this machine. */
export interface Candidate {
  readonly file: string;
  readonly origin: BinaryOrigin;
  /** The C library its name says it is for, where that is not this Node's: then it is not opened. */
  readonly foreignLibc?: Libc;
}

/** Where to look, and for what. */
export interface Place {
  /** The package's folder. */
  readonly root: string;
  readonly platform: string;
  readonly arch: string;
  /** What `NEONSENSE_BINARY` says. */
  readonly override?: string | undefined;
  /** Asked only where files for several C libraries lie side by side. */
  readonly libc?: () => Libc | undefined;
}

/**
 * The files to try, in order: the one `NEONSENSE_BINARY` names and no other; else a build of one's own, which is
 * newer than what was installed; else the prebuilt ones in `prebuilds/PLATFORM-ARCH/`, whose names (`NAME.glibc.node`,
 * `NAME.musl.node`, `NAME.node`) node-gyp-build reads and ranks. Which C library runs is our own question, because
 * node-gyp-build knows musl on Alpine only. In an Electron app's `app.asar` nothing can be loaded, so
 * `app.asar.unpacked` beside it is looked at first.
 */
export function binaryCandidates(place: Place): Candidate[] {
  const { root, override } = place;
  if (override !== undefined && override !== '') return [{ file: resolve(override), origin: 'NEONSENSE_BINARY' }];
  return withUnpacked(root).flatMap((folder) => [...builds(folder), ...prebuilds(folder, place)]);
}

/** `linux-x64`, `darwin-arm64`...: what there are prebuilt binaries for. */
export function prebuiltPlatforms(root: string): string[] {
  return withUnpacked(root).flatMap((folder) => list(join(folder, 'prebuilds')));
}

/** Whether `path` leads into an Electron archive. */
export function isInsideAsar(path: string): boolean {
  return /\.asar[\\/]/.test(path);
}

function withUnpacked(root: string): string[] {
  const unpacked = `${root}${sep}`.replace(/\.asar([\\/])/, '.asar.unpacked$1').slice(0, -1);
  return unpacked !== root && existsSync(unpacked) ? [unpacked, root] : [root];
}

function builds(folder: string): Candidate[] {
  const release = join(folder, 'build', 'Release');
  return list(release)
    .filter(isAddon)
    .map((name) => ({ file: join(release, name), origin: 'build' }));
}

function prebuilds(folder: string, { platform, arch, libc = libcOfNode }: Place): Candidate[] {
  const found = list(join(folder, 'prebuilds'))
    .map(nodeGypBuild.parseTuple)
    .filter(nodeGypBuild.matchTuple(platform, arch))
    .sort(nodeGypBuild.compareTuples)
    .flatMap(({ name }) =>
      list(join(folder, 'prebuilds', name))
        .map(nodeGypBuild.parseTags)
        .filter((tags) => tags !== undefined)
        .sort(nodeGypBuild.compareTags('node'))
        .map((tags) => ({ file: join(folder, 'prebuilds', name, tags.file), libc: tags.libc })),
    );
  const here = found.some((each) => each.libc !== undefined) ? libc() : undefined;
  return found
    .map(({ file, libc }): Candidate => {
      const foreign = libc !== undefined && here !== undefined && libc !== here;
      return { file, origin: 'prebuild', ...(foreign ? { foreignLibc: libc } : {}) };
    })
    .sort((a, b) => Number(a.foreignLibc !== undefined) - Number(b.foreignLibc !== undefined));
}

function isAddon(name: string): boolean {
  return /\.node$/.test(name);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
