// The commands of the pages Camera, Server and Fleet, run as they stand there with the packed package. Only the port is
// another, and stand-ins play the camera.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../cli/run.js';
import { ffmpeg, makeFilm, runFfmpeg } from '../watch/film.js';
import { install } from './installed.js';
import { blocksOf, page } from './page.js';

const hasCurl = spawnSync('curl', ['--version']).status === 0;

const commands = (name: string): string[] =>
  blocksOf(page(`docs/${name}`), 'sh').flatMap((block) => block.replaceAll('\\\n', ' ').trimEnd().split('\n'));

describe.skipIf(ffmpeg === undefined || !hasCurl)('what the pages say (skipped without ffmpeg and curl)', () => {
  let folder: string;
  let port: number;
  let server: { readonly child: ChildProcess; readonly ended: Promise<number | null> } | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-docs-'));
    port = await freePort();
    makeFilm(join(folder, 'film.mp4'), ['clock', 'chair']);
    cpSync(join(projectRoot, 'examples'), join(folder, 'photos'), { recursive: true });
    cpSync(join(folder, 'photos/chair.png'), join(folder, 'chair.png'));
    for (const [name, kind] of [
      ['mine', 'fp16'],
      ['next', 'int8-dynamic'],
    ] as const) {
      cpSync(join(projectRoot, `models/household-${kind}.safetensors`), join(folder, `${name}.safetensors`));
    }
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const main = await install(folder);
    writeFileSync(join(bin, 'npx'), `#!/bin/sh\nshift\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
    runFfmpeg(['-y', '-i', join(folder, 'photos/lamp.png'), join(folder, 'lamp.jpg')]);
    writeFileSync(join(bin, 'rpicam-vid'), `#!/bin/sh\nexec cat '${join(folder, 'lamp.jpg')}'\n`, { mode: 0o755 });
  });

  afterAll(async () => {
    await stopServer();
    rmSync(folder, { recursive: true, force: true });
  });

  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
  });

  async function stopServer(): Promise<void> {
    server?.child.kill('SIGTERM');
    const code = await server?.ended;
    server = undefined;
    expect(code ?? 0).toBe(0);
  }

  /** Runs a command to its end; one that serves is left running until the next one that does. */
  async function run(command: string): Promise<string> {
    const line = command.replaceAll('8080', String(port)).replace(/ serve(?= |$)/, ` serve --port ${port}`);
    if (!/ serve | --serve /.test(line)) {
      const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', line], {
        cwd: folder,
        env: environment(),
        encoding: 'utf8',
      });
      expect(status, `${line}\n${stdout}\n${stderr}`).toBe(0);
      return stdout;
    }
    await stopServer();
    // So that a signal reaches the program, not its shell.
    const child = spawn('/bin/sh', ['-c', `exec ${line}`], { cwd: folder, env: environment() });
    const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    server = { child, ended };
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (text: Buffer) => text.includes('http://') && resolve());
      child.on('close', () => reject(new Error(`${line} ended`)));
    });
    if (line.includes('--shadow')) await askedTenTimes();
    return '';
  }

  /** Pictures for the second model, which sees a tenth of them. */
  async function askedTenTimes(): Promise<void> {
    const body = new Uint8Array(readFileSync(join(folder, 'chair.png')));
    const headers = { 'content-type': 'image/png' };
    for (let i = 0; i < 10; i++) {
      expect((await fetch(`http://127.0.0.1:${port}/v1/classify`, { method: 'POST', body, headers })).status).toBe(200);
    }
    await expect.poll(() => existsSync(join(folder, 'ab.jsonl'))).toBe(true);
  }

  it('of the camera works', async () => {
    const said: string[] = [];
    for (const command of commands('camera.md')) said.push(await run(command));
    expect(said.join('')).toMatch(/lamp/);
    expect(said.join('')).toMatch(/"label":"chair"/);
    expect(readFileSync(join(folder, 'seen.txt'), 'utf8')).toMatch(/clock\n/);
    expect(said.length).toBeGreaterThanOrEqual(4);
  });

  it('of the server works', async () => {
    const said: string[] = [];
    for (const command of commands('server.md')) said.push(await run(command));
    expect(said.filter((text) => text.includes('"label":"chair"'))).toHaveLength(2);
    expect(said.at(-1)).toContain('1 pictures seen by both');
    await stopServer();
  });

  it('of a fleet works', async () => {
    for (const command of commands('fleet.md')) await run(command);
    const files = readFileSync(join(folder, 'labels.jsonl'), 'utf8').trimEnd().split('\n');
    expect(files.length).toBeGreaterThan(10);
    expect(new Set(files).size).toBe(files.length);
  });

  it('in JavaScript works', () => {
    // Plays the camera of ffmpeg's v4l2.
    const real = `'${ffmpeg}' -loglevel error -i '${join(folder, 'film.mp4')}' -vf scale=640:480 -f rawvideo -pix_fmt rgb24 -`;
    const play = `#!/bin/sh\ncase "$*" in *v4l2*) exec ${real};; *) exec '${ffmpeg}' "$@";; esac\n`;
    writeFileSync(join(folder, 'bin/ffmpeg'), play, { mode: 0o755 });
    for (const [name, shows] of [
      ['camera.md', /(clock|chair) [\d.]+ \d+/],
      ['server.md', /http:\/\/127/],
    ] as const) {
      for (const block of blocksOf(page(`docs/${name}`), 'js')) {
        // Node 20 does not know `await using` yet.
        writeFileSync(join(folder, 'program.mjs'), transformSync(block, { target: 'node20', format: 'esm' }).code);
        const { status, stdout, stderr } = spawnSync(process.execPath, ['program.mjs'], {
          cwd: folder,
          env: environment(),
          encoding: 'utf8',
        });
        expect(status, stderr).toBe(0);
        expect(stdout).toMatch(shows);
      }
    }
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
