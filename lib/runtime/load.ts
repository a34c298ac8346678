import { createRequire } from 'node:module';
import { join } from 'node:path';
import { arch, platform, versions } from 'node:process';
import { NeonsenseError } from '../errors.js';
import { packageRoot } from '../packageRoot.js';
import type { Binding } from './binding.js';

const require = createRequire(import.meta.url);

let loaded: { binding: Binding; file: string } | undefined;

/**
 * The native addon: the file `NEONSENSE_BINARY` names, else a build in `build/Release`, else the prebuilt binary for
 * this platform. Loaded once per thread, on first use.
 *
 * @throws {NeonsenseError} `ERR_NATIVE_LOAD` listing each file tried, why it failed and what to do.
 */
export function loadBinding(): Binding {
  loaded ??= load();
  return loaded.binding;
}

/** The file the native addon was loaded from; loads it if need be. */
export function bindingFile(): string {
  loadBinding();
  return loaded!.file;
}

function load(): { binding: Binding; file: string } {
  const tried: string[] = [];
  for (const { name, resolve } of candidates()) {
    let file = name;
    try {
      file = resolve();
      return { binding: require(file) as Binding, file };
    } catch (error) {
      tried.push(`- ${file}: ${firstLine(error)}${hint(firstLine(error))}`);
    }
  }
  throw new NeonsenseError(
    'ERR_NATIVE_LOAD',
    [
      `The native addon could not be loaded on ${platform}-${arch} with Node ${versions.node}. Tried:`,
      ...tried,
      'To build it from source, run `bash scripts/setup.sh` in the package folder, or set NEONSENSE_BINARY to a build.',
    ].join('\n'),
  );
}

function candidates(): { name: string; resolve: () => string }[] {
  const override = process.env['NEONSENSE_BINARY'];
  if (override !== undefined && override !== '') return [{ name: override, resolve: () => require.resolve(override) }];
  const findPrebuilt = require('node-gyp-build') as { resolve(root: string): string };
  return [{ name: join(packageRoot, '(build|prebuilds)'), resolve: () => findPrebuilt.resolve(packageRoot) }];
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

function hint(reason: string): string {
  if (/GLIBC_|GLIBCXX_/.test(reason)) return ' (this system is older than the binary: build from source)';
  if (/wrong ELF class|Exec format|invalid ELF header|incompatible architecture/i.test(reason)) {
    return ' (the binary is for another CPU architecture)';
  }
  if (/No native build was found|Cannot find module/.test(reason)) return ' (no binary for this platform is there)';
  return '';
}
