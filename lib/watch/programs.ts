import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { NeonsenseError } from '../errors.js';

/** Programs that read cameras and films, and the packages that they come in. */
const PACKAGES = {
  ffmpeg: { apt: 'ffmpeg', apk: 'ffmpeg', brew: 'ffmpeg' },
  'rpicam-vid': { apt: 'rpicam-apps' },
  'libcamera-vid': { apt: 'libcamera-apps' },
  'gst-launch-1.0': { apt: 'gstreamer1.0-tools gstreamer1.0-plugins-good', apk: 'gstreamer-tools', brew: 'gstreamer' },
} as const satisfies Readonly<Record<string, { readonly [manager in 'apt' | 'apk' | 'brew']?: string }>>;

export type ProgramName = keyof typeof PACKAGES;

/** A program and what it is given. */
export interface CommandLine {
  readonly program: ProgramName;
  readonly args: readonly string[];
}

/** Whether `program` is on the path. */
export function isInstalled(program: ProgramName): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    const file = join(folder, process.platform === 'win32' ? `${program}.exe` : program);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}

/**
 * The first of `candidates` that is installed.
 *
 * @param what what it is needed for, as messages say it
 * @throws {NeonsenseError} `ERR_NOT_FOUND` with the command that installs the first
 */
export function installed(candidates: readonly CommandLine[], what: string): CommandLine {
  const found = candidates.find(({ program }) => isInstalled(program));
  if (found !== undefined) return found;
  const names = candidates.map(({ program }) => program);
  throw new NeonsenseError(
    'ERR_NOT_FOUND',
    `${what} is read by ${names.join(' or ')}, which is not installed here. Install it: ${installCommand(names[0]!)}`,
  );
}

function installCommand(program: ProgramName): string {
  const packages: { readonly apt: string; readonly apk?: string; readonly brew?: string } = PACKAGES[program];
  if (process.platform === 'darwin' && packages.brew !== undefined) return `brew install ${packages.brew}`;
  if (existsSync('/sbin/apk') && packages.apk !== undefined) return `apk add ${packages.apk}`;
  return `sudo apt-get install ${packages.apt}`;
}
