import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** The package as `npm pack` makes it from dist/ as it is. */
export interface Packed {
  readonly tarball: string;
  readonly files: readonly { readonly path: string; readonly size: number }[];
  /** The binary of this machine, where it was put because there is no prebuilt one. */
  readonly localBinary: string | undefined;
  /** A folder for what a test makes; `remove` deletes it with the tarball. */
  readonly folder: string;
  readonly remove: () => void;
}

/** Whether there is what packing needs: a bundled dist/ and an addon for this machine. */
export const canPack =
  existsSync(join(root, 'dist/index.cjs')) &&
  (existsSync(join(root, 'build/Release/neonsense.node')) || existsSync(join(root, 'prebuilds')));

/** Packs the project, in a copy. */
export async function pack(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-package-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'home'));
  const script = join(root, 'scripts/proof/smoke/pack.mjs');
  const { packProject } = (await import(script)) as {
    packProject(into: string, options: { build: boolean }): Omit<Packed, 'folder' | 'remove'>;
  };
  const packed = packProject(folder, { build: false });
  return { ...packed, folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Unpacks a package's tarball into `to`, which is made. */
export function unpack(tarball: string, to: string): void {
  mkdirSync(to, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', to, '--strip-components=1']);
}
