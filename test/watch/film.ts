import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { projectRoot } from '../cli/run.js';

export const example = (name: string): string => join(projectRoot, `examples/${name}.png`);

/** Where ffmpeg is; tests that need it are skipped without. */
export const ffmpeg = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'ffmpeg'))
  .find((file) => existsSync(file));

/** Frames that each slide of a film is shown for, at 10 a second. */
export const FRAMES_A_SLIDE = 3;

/** Runs ffmpeg to its end and gives what it wrote to its output. */
export function runFfmpeg(args: readonly string[]): Buffer {
  const { status, stdout, stderr } = spawnSync('ffmpeg', ['-loglevel', 'error', '-nostdin', ...args], {
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(String(stderr));
  return stdout;
}

/** Arguments that make a film of `slides`, 320 x 240, one after the other; the output's format and name follow. */
export function slides(names: readonly string[], frames = FRAMES_A_SLIDE): string[] {
  const inputs = names.flatMap((name) => [
    ...['-loop', '1', '-framerate', '10', '-t', String(frames / 10), '-i', example(name)],
  ]);
  const scaled = names.map((_, i) => `[${i}]scale=320:240,setsar=1,format=yuv444p[s${i}]`);
  const joined = `${names.map((_, i) => `[s${i}]`).join('')}concat=n=${names.length}`;
  return [...inputs, '-filter_complex', [...scaled, joined].join(';')];
}

/** A film file of slides. */
export function makeFilm(file: string, names: readonly string[], frames = FRAMES_A_SLIDE): string {
  runFfmpeg([...slides(names, frames), '-c:v', 'mpeg4', '-q:v', '2', '-g', '1', '-y', file]);
  return file;
}

/**
 * A folder to stand for the whole path, with stand-ins for programs: each writes what it was given to `NAME.args` beside
 * it, a line each, then runs `script`, a shell script.
 */
export function standIns(folder: string, scripts: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true });
  for (const tool of ['sh', 'cat', 'sleep', 'head', 'printf']) {
    const found = ['/bin', '/usr/bin'].map((place) => join(place, tool)).find((file) => existsSync(file));
    if (found !== undefined && !existsSync(join(folder, tool))) symlinkSync(found, join(folder, tool));
  }
  for (const [name, script] of Object.entries(scripts)) {
    const record = `printf '%s\\n' "$@" > '${join(folder, `${name}.args`)}'`;
    writeFileSync(join(folder, name), `#!/bin/sh\n${record}\n${script}\n`, { mode: 0o755 });
  }
  return folder;
}
