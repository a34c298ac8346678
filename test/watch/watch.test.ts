// `neonsense watch` as people run it, on films that real ffmpeg makes of the pictures in examples/.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, finish, neonsense, projectRoot, start } from '../cli/run.js';
import { example, FRAMES_A_SLIDE, ffmpeg, makeFilm, runFfmpeg, slides, standIns } from './film.js';

const main = join(projectRoot, 'dist/cli/main.js');
const model = ['-m', join(projectRoot, 'models/household-fp16.safetensors'), '-t', '1'];

interface Line {
  readonly frame: number;
  readonly timeMs: number;
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
  readonly rejected: boolean;
  readonly dropped: number;
  readonly file?: string;
  readonly error?: string;
}

const linesOf = ({ stdout }: Pick<Finished, 'stdout'>): Line[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
const labelsOf = (finished: Pick<Finished, 'stdout'>): (string | undefined)[] =>
  linesOf(finished).map(({ predictions }) => predictions[0]?.label);
/** Each label once where it comes several times on end. */
const changesOf = (labels: readonly (string | undefined)[]): (string | undefined)[] =>
  labels.filter((label, i) => label !== labels[i - 1]);

let folder: string;
let film: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-watch-'));
  if (ffmpeg === undefined) return;
  film = makeFilm(join(folder, 'film.mkv'), ['clock', 'chair', 'lamp']);
  makeFilm(join(folder, 'minutes.mkv'), ['clock'], 600);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Children of a process, by /proc. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))![1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}
const isAlive = (pid: number): boolean => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

const outputs = new WeakMap<ChildProcessWithoutNullStreams, { text: string }>();

/** What a process prints on standard output, from the first call on. */
function outputOf(child: ChildProcessWithoutNullStreams): { readonly text: string } {
  const known = outputs.get(child);
  if (known !== undefined) return known;
  const output = { text: '' };
  outputs.set(child, output);
  child.stdout.on('data', (piece: Buffer) => {
    output.text += piece.toString();
  });
  return output;
}

/** Waits until a process has printed `text`; gives all it has printed on standard output since it was first asked. */
function printed(child: ChildProcessWithoutNullStreams, text: string | RegExp): Promise<string> {
  const output = outputOf(child);
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (typeof text === 'string' ? output.text.includes(text) : text.test(output.text)) resolve(output.text);
    };
    look();
    child.stdout.on('data', look);
    child.on('close', () => reject(new Error(`It ended after: ${output.text}`)));
  });
}

/** Waits until `watch` looks at a folder, however long a busy machine takes to start it: a new picture is seen then. */
async function looksAt(child: ChildProcessWithoutNullStreams, arrivals: string): Promise<void> {
  const output = outputOf(child);
  for (let i = 0; !output.text.includes(PROBE); i++) {
    copyFileSync(example('bed'), join(arrivals, '.probe'));
    await rename(join(arrivals, '.probe'), join(arrivals, `${PROBE}${i}.png`));
    await pause(300);
  }
}
const PROBE = 'probe-';
const withoutProbes = (lines: readonly Line[]): Line[] => lines.filter(({ file }) => file?.includes(PROBE) !== true);

describe.skipIf(ffmpeg === undefined)('a film (skipped without ffmpeg)', () => {
  it('is labelled frame by frame, one JSON object each', async () => {
    const finished = await neonsense(['watch', film, '--json', '-k', '2', ...model]);
    expect(finished).toMatchObject({ code: 0, stderr: '' });
    const lines = linesOf(finished);
    expect(lines.map(({ frame }) => frame)).toEqual(Array.from({ length: 3 * FRAMES_A_SLIDE }, (_, i) => i));
    expect(changesOf(labelsOf(finished))).toEqual(['clock', 'chair', 'lamp']);
    for (const line of lines) {
      expect(Object.keys(line)).toEqual([
        'model',
        'frame',
        'timeMs',
        'predictions',
        'rejected',
        'fps',
        'dropped',
        'latencyMs',
      ]);
      expect(line.predictions.map(Object.keys)).toEqual([
        ['label', 'index', 'probability'],
        ['label', 'index', 'probability'],
      ]);
      expect(line.dropped).toBe(0);
    }
  });

  it('is told by its changes', async () => {
    expect(labelsOf(await neonsense(['watch', film, '--json', '--changes', ...model]))).toEqual([
      'clock',
      'chair',
      'lamp',
    ]);
    const { stdout } = await neonsense(['watch', film, ...model]);
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/s {2}clock .*fps .*0 dropped .*ms$/),
      expect.stringMatching(/s {2}chair /),
      expect.stringMatching(/s {2}lamp /),
    ]);
  });

  it('is looked at every n-th frame when asked', async () => {
    const lines = linesOf(await neonsense(['watch', film, '--json', '--every', '4', ...model]));
    expect(lines.map(({ frame }) => frame)).toEqual([0, 4, 8]);
  });

  it('drops frames when it plays at its own pace, and counts them', async () => {
    const long = makeFilm(join(folder, 'long.mkv'), ['clock', 'chair'], 10);
    const lines = linesOf(await neonsense(['watch', long, '--json', '--realtime', ...model]));
    expect(lines.at(-1)!.frame).toBe(19);
    expect(lines.length + lines.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(20);
    // Two seconds of film, less its first frame; a machine may be slower but not faster.
    expect(lines.at(-1)!.timeMs).toBeGreaterThan(1000);
  });

  it('is seen through a region', async () => {
    const both = join(folder, 'both.mkv');
    const stacked = '[0]scale=240:240,setsar=1[a];[1]scale=240:240,setsar=1[b];[a][b]hstack';
    const inputs = ['clock', 'chair'].flatMap((name) => ['-loop', '1', '-t', '0.1', '-i', example(name)]);
    runFfmpeg([...inputs, '-filter_complex', stacked, '-c:v', 'mpeg4', '-q:v', '2', both]);
    const at = async (roi: string): Promise<(string | undefined)[]> =>
      changesOf(labelsOf(await neonsense(['watch', both, '--json', '--roi', roi, ...model])));
    expect(await at('0,0,0.5,1')).toEqual(['clock']);
    expect(await at('0.5,0,0.5,1')).toEqual(['chair']);
  });

  it('that is none is told in the words of ffmpeg', async () => {
    const none = join(folder, 'none.mkv');
    writeFileSync(none, 'abc');
    const { code, stderr } = await neonsense(['watch', none, ...model]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ffmpeg failed: .*Invalid data/);
  });

  it('runs a command for each change of label, with the label as data', async () => {
    const seen = join(folder, 'seen.txt');
    const command = `echo "$1 $NEONSENSE_LABEL $NEONSENSE_FRAME" >> '${seen}'`;
    const slow = makeFilm(join(folder, 'slow.mkv'), ['clock', 'chair'], 10);
    const finished = await neonsense(['watch', slow, '--realtime', '--all', '--exec', command, ...model]);
    expect(finished.code).toBe(0);
    expect(readFileSync(seen, 'utf8')).toMatch(/^clock clock 0\nchair chair \d+\n$/);
  });

  it('is shown on the live page as it plays', async () => {
    const args = ['watch', join(folder, 'minutes.mkv'), '--realtime', '--json', '--serve', '0', ...model];
    const child = start(args);
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const ended = finish(child);
    await printed(child, '"clock"');
    const address = /http:\S+/.exec(said)![0];
    expect(await (await fetch(`${address}/v1/watch`)).json()).toEqual({ source: join(folder, 'minutes.mkv') });
    const first = async (path: string): Promise<Buffer> => {
      const reader = (await fetch(address + path)).body!.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return Buffer.from(value!);
    };
    expect((await first('/v1/watch/results')).toString()).toMatch(
      /^data: {"model":"household-fp16","frame":\d+,.*"label":"clock"/,
    );
    const part = await first('/v1/watch/pictures');
    const body = part.subarray(part.indexOf('\r\n\r\n') + 4);
    expect([...body.subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
    expect(await (await fetch(`${address}/metrics`)).text()).toMatch(/neonsense_predictions_total{.*label="clock"} \d/);
    const open = await fetch(`${address}/v1/watch/results`);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    await open.text();
  });

  it('is ended by Ctrl-C, with the programs that it started', async () => {
    const endless = ['--realtime', '--json', '--exec', 'sleep 1000', ...model];
    const child = start(['watch', join(folder, 'minutes.mkv'), ...endless]);
    const ended = finish(child);
    await printed(child, '"clock"');
    await pause(100);
    const children = childrenOf(child.pid!);
    expect(children).toHaveLength(2);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    await expect.poll(() => children.filter(isAlive), { timeout: 5000 }).toEqual([]);
  });

  it('leaves no program behind when it is killed', async () => {
    const child = start(['watch', join(folder, 'minutes.mkv'), '--realtime', '--json', ...model]);
    const ended = finish(child);
    await printed(child, '"clock"');
    const children = childrenOf(child.pid!);
    expect(children).toHaveLength(1);
    child.kill('SIGKILL');
    await ended;
    await expect.poll(() => children.filter(isAlive), { timeout: 10_000 }).toEqual([]);
  });

  it('ends when nobody reads its results any more', async () => {
    const script = `"$0" "$@" | head -n 1`;
    const args = [main, 'watch', join(folder, 'minutes.mkv'), '--realtime', '--json', ...model];
    const { status, stdout } = spawnSync('/bin/sh', ['-c', script, process.execPath, ...args], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(labelsOf({ stdout })).toEqual(['clock']);
  });
});

describe.skipIf(ffmpeg === undefined)('standard input (skipped without ffmpeg)', () => {
  it.each(['rgb24', 'bgr24', 'rgba', 'bgra', 'gray', 'yuv420p', 'nv12', 'yuyv422', 'rgb565le', 'yuv422p'])(
    'takes %s',
    async (format) => {
      const raw = runFfmpeg([...slides(['clock', 'lamp'], 2), '-f', 'rawvideo', '-pix_fmt', format, '-']);
      const args = ['watch', '-', '--format', format, '--size', '320x240', '--all', '--json', ...model];
      const finished = await neonsense(args, raw);
      expect(finished.stderr).toBe('');
      expect(labelsOf(finished)).toEqual(['clock', 'clock', 'lamp', 'lamp']);
    },
  );

  it.each([
    ['as it is', []],
    ['through a region', ['--roi', '0,0,1,1']],
  ])('takes Motion JPEG %s', async (_, roi) => {
    const jpegs = runFfmpeg([...slides(['clock', 'lamp'], 2), '-f', 'mjpeg', '-q:v', '2', '-']);
    const finished = await neonsense(['watch', '-', '--format', 'mjpeg', '--all', '--json', ...roi, ...model], jpegs);
    expect(labelsOf(finished)).toEqual(['clock', 'clock', 'lamp', 'lamp']);
  });

  it.each([
    ['no format', [], 'format'],
    ['raw frames without sides', ['--format', 'yuv420p'], 'size'],
    ['sides that are none', ['--format', 'rgb24', '--size', '640'], '--size'],
    ['a region outside the picture', ['--format', 'mjpeg', '--roi', '0.5,0,0.6,1'], 'roi'],
    ['a format that is an option of ffmpeg', ['--format', '-y', '--size', '4x4'], 'format'],
  ])('is refused with %s', async (_, args, name) => {
    const { code, stderr } = await neonsense(['watch', '-', ...args, ...model]);
    expect(code).toBe(2);
    expect(stderr).toContain(name);
  });
});

describe.skipIf(ffmpeg === undefined)('an address (skipped without ffmpeg)', () => {
  let server: HttpServer;
  let address: string;
  beforeAll(async () => {
    const jpegs = runFfmpeg([...slides(['clock', 'lamp'], 2), '-f', 'mpjpeg', '-q:v', '2', '-']);
    server = createServer((request, response) => {
      if (request.url === '/camera') {
        response.setHeader('content-type', 'multipart/x-mixed-replace; boundary=ffmpeg');
        response.end(jpegs);
      } else if (request.url === '/film.mkv') {
        response.setHeader('content-type', 'video/x-matroska');
        response.end(readFileSync(film));
      } else if (request.url === '/endless') {
        response.setHeader('content-type', 'multipart/x-mixed-replace; boundary=ffmpeg');
        response.write(jpegs);
      } else {
        response.statusCode = 404;
        response.end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.closeAllConnections());

  it('of a camera that gives Motion JPEG over HTTP is read', async () => {
    const finished = await neonsense(['watch', `${address}/camera`, '--all', '--json', ...model]);
    expect(labelsOf(finished)).toEqual(['clock', 'clock', 'lamp', 'lamp']);
  });

  it('of a film is read by ffmpeg', async () => {
    const finished = await neonsense(['watch', `${address}/film.mkv`, '--all', '--json', ...model]);
    expect(changesOf(labelsOf(finished))).toEqual(['clock', 'chair', 'lamp']);
  });

  it('that falls silent is left by Ctrl-C', async () => {
    const child = start(['watch', `${address}/endless`, '--json', ...model]);
    const ended = finish(child);
    await printed(child, '"lamp"');
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
  });

  it.each([
    ['/nothing', /status 404/],
    ['', /can't be read/],
  ])('that gives nothing is told (%s)', async (path, said) => {
    const { code, stderr } = await neonsense(['watch', path === '' ? 'http://127.0.0.1:1/' : address + path, ...model]);
    expect(code).toBe(1);
    expect(stderr).toMatch(said);
  });
});

describe('a folder', () => {
  it('is watched for new pictures, each once, when it has come whole', async () => {
    const arrivals = join(folder, 'arrivals');
    mkdirSync(arrivals);
    copyFileSync(example('bed'), join(arrivals, 'old.png'));
    const child = start(['watch', arrivals, '--json', ...model]);
    const ended = finish(child);
    await looksAt(child, arrivals);
    // Half of it now, half later; a text; and one that is moved there.
    const lamp = readFileSync(example('lamp'));
    await writeFile(join(arrivals, 'a.png'), lamp.subarray(0, lamp.length / 2));
    await appendFile(join(arrivals, 'a.png'), lamp.subarray(lamp.length / 2));
    await writeFile(join(arrivals, 'b.txt'), 'no picture');
    await printed(child, 'a.png');
    await writeFile(join(arrivals, 'c.png'), 'broken');
    await printed(child, 'c.png');
    copyFileSync(example('clock'), join(arrivals, '.hidden.png'));
    await rename(join(arrivals, '.hidden.png'), join(arrivals, 'd.png'));
    await printed(child, 'd.png');
    child.kill('SIGINT');
    const finished = await ended;
    expect(finished.code).toBe(130);
    const lines = withoutProbes(linesOf(finished));
    expect(lines.map(({ file, predictions }) => [file, predictions[0]?.label])).toEqual([
      [join(arrivals, 'a.png'), 'lamp'],
      [join(arrivals, 'c.png'), undefined],
      [join(arrivals, 'd.png'), 'clock'],
    ]);
    expect(lines[1]!.error).toMatch(/c\.png/);
  });

  it.each([
    ['left', '0,0,0.5,1', 'clock'],
    ['right', '0.5,0,0.5,1', 'chair'],
  ])('is seen through a region: the %s half', async (half, roi, label) => {
    const [clock, chair] = ['clock', 'chair'].map((name) => sharp(example(name)).resize(200, 200).toBuffer());
    const both = await sharp({ create: { width: 400, height: 200, channels: 3, background: 'white' } })
      .composite([
        { input: await clock!, left: 0, top: 0 },
        { input: await chair!, left: 200, top: 0 },
      ])
      .png()
      .toBuffer();
    const arrivals = join(folder, half);
    mkdirSync(arrivals);
    const child = start(['watch', arrivals, '--json', '--roi', roi, ...model]);
    const ended = finish(child);
    await looksAt(child, arrivals);
    await writeFile(join(arrivals, 'both.png'), both);
    await printed(child, 'both.png');
    child.kill('SIGINT');
    expect(withoutProbes(linesOf(await ended)).map(({ predictions }) => predictions[0]?.label)).toEqual([label]);
  });

  it('that is gone is told', async () => {
    const { code, stderr } = await neonsense(['watch', join(folder, 'nowhere'), ...model]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/There is no .*nowhere; a source is camera/);
  });
});

describe('a camera, with stand-ins for the programs that read it', () => {
  const ppm = `printf 'P6\\n2 1\\n255\\n'; printf '\\377\\377\\377\\000\\000\\000'`;
  const watchWith = async (path: string, args: readonly string[]): Promise<Finished> => {
    const child = spawn(process.execPath, [main, 'watch', ...args, '--json', ...model], {
      cwd: projectRoot,
      env: { ...process.env, PATH: path },
    });
    child.stdin.end();
    return finish(child);
  };
  const argsOf = (path: string, name: string): string =>
    readFileSync(join(path, `${name}.args`), 'utf8')
      .trimEnd()
      .split('\n')
      .join(' ');

  // A character device, as a camera is one.
  it('that is a device is read by ffmpeg', async () => {
    const path = standIns(join(folder, 'v4l2'), { ffmpeg: ppm });
    const finished = await watchWith(path, ['/dev/zero', '--size', '1280x720', '--fps', '15']);
    expect(linesOf(finished)).toHaveLength(1);
    expect(argsOf(path, 'ffmpeg')).toContain(' -f v4l2 -framerate 15 -video_size 1280x720 -i /dev/zero ');
  });

  it('of a Raspberry Pi is read by rpicam-vid, with the region cut out by the camera', async () => {
    const jpeg = join(folder, 'one.jpg');
    if (ffmpeg !== undefined) runFfmpeg(['-y', '-i', example('clock'), jpeg]);
    else copyFileSync(example('clock'), jpeg);
    const path = standIns(join(folder, 'rpicam'), { 'rpicam-vid': `cat '${jpeg}'` });
    const finished = await watchWith(path, ['camera', '--roi', '0.25,0,0.5,1']);
    expect(finished.code).toBe(0);
    if (ffmpeg !== undefined) expect(labelsOf(finished)).toEqual(['clock']);
    expect(argsOf(path, 'rpicam-vid')).toBe('-n -t 0 --codec mjpeg --width 640 --height 480 --roi 0.25,0,0.5,1 -o -');
  });

  it('of a device is read by GStreamer where ffmpeg is not there', async () => {
    const path = standIns(join(folder, 'gst'), { 'gst-launch-1.0': `head -c 32 /dev/zero` });
    const finished = await watchWith(path, ['/dev/zero', '--size', '4x2']);
    expect(linesOf(finished)).toHaveLength(1);
    expect(argsOf(path, 'gst-launch-1.0')).toBe(
      '-q v4l2src device=/dev/zero ! decodebin ! videoscale ! videoconvert ! video/x-raw,format=BGRA,width=4,height=2 ! fdsink fd=1',
    );
  });

  it('whose program fails is told in its words', async () => {
    const path = standIns(join(folder, 'busy'), { ffmpeg: 'echo "/dev/zero: Device or resource busy" >&2; exit 1' });
    const { code, stderr } = await watchWith(path, ['/dev/zero']);
    expect(code).toBe(1);
    expect(stderr).toContain('ffmpeg failed: /dev/zero: Device or resource busy');
  });

  it('without a program for it is told with the command that installs one', async () => {
    const { code, stderr } = await watchWith(standIns(join(folder, 'bare'), {}), ['/dev/zero']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ffmpeg, which is not installed here. Install it: .*install ffmpeg|apk add ffmpeg/);
  });

  it('that does not listen when it is asked to end is ended by force', async () => {
    const path = standIns(join(folder, 'deaf'), { ffmpeg: `trap '' TERM INT; ${ppm}; while :; do sleep 1; done` });
    const child = spawn(process.execPath, [main, 'watch', '/dev/zero', '--json', ...model], {
      cwd: projectRoot,
      env: { ...process.env, PATH: path },
    });
    const ended = finish(child);
    await printed(child, '"frame"');
    const children = childrenOf(child.pid!);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(children.filter(isAlive)).toEqual([]);
  });
});
