// examples/electron as it is. Here a stand-in takes Electron's place: the page in Chromium, with its fake camera, the
// classifier in a child process. In real Electron, which the workflow `ci` has:
//
//   NEONSENSE_ELECTRON=1 xvfb-run -a npx vitest run test/examples/electron.test.ts
import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { _electron, chromium, type ElectronApplication, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot } from '../cli/run.js';

const isReal = process.env['NEONSENSE_ELECTRON'] === '1';
const example = join(projectRoot, 'examples/electron');
const screenshots = join(projectRoot, 'build-screenshots');
const hasAll =
  existsSync(join(projectRoot, 'dist/index.cjs')) &&
  (isReal || existsSync(process.env['CHROMIUM'] ?? '/usr/bin/chromium'));

/** The app, started. */
interface Started {
  readonly page: Page;
  /** What went wrong in the page. */
  readonly problems: readonly string[];
  /** Kills the utility process. */
  crash(): Promise<void>;
  /** Ends the app at once, if it has not ended. */
  kill(): void;
  /** Closes the window; what the app's processes ended with. */
  close(): Promise<{ readonly code: number | null; readonly output: string }>;
}

async function startReal(flags: readonly string[]): Promise<Started> {
  const executablePath = createRequire(join(example, 'package.json'))('electron') as string;
  const app: ElectronApplication = await _electron.launch({ executablePath, args: [example, ...flags] });
  const page = await app.firstWindow();
  return {
    page,
    problems: problemsOf(page),
    crash: async () => {
      const processes = (await app.evaluate(({ app: main }) => main.getAppMetrics())) as {
        name?: string;
        pid: number;
      }[];
      process.kill(processes.find(({ name }) => name === 'neonsense classifier')!.pid, 'SIGKILL');
    },
    kill: () => app.process().kill('SIGKILL'),
    close: async () => {
      const ended = endOf(app.process());
      await page.close();
      return await ended;
    },
  };
}

async function startStandIn(folder: string, flags: readonly string[]): Promise<Started> {
  const standIn = join(import.meta.dirname, 'electronStandIn');
  const app = join(folder, 'app');
  cpSync(example, app, { recursive: true, filter: (path) => !path.includes('node_modules') });
  mkdirSync(join(app, 'node_modules'));
  symlinkSync(projectRoot, join(app, 'node_modules/neonsense'));
  symlinkSync(standIn, join(app, 'node_modules/electron'));
  const child = spawn(process.execPath, [join(standIn, 'launch.mjs'), join(app, 'main.js'), ...flags]);
  const ended = endOf(child);
  const endpoint = await new Promise<string>((resolve, reject) => {
    let printed = '';
    child.stdout.on('data', (data) => {
      printed += data;
      const found = /^devtools (\S+)$/m.exec(printed);
      if (found !== null) resolve(found[1]!);
    });
    ended.then(({ code, output }) => reject(new Error(`the app ended with ${code}: ${output}`)));
  });
  const browser = await chromium.connectOverCDP(endpoint);
  const page = browser.contexts()[0]!.pages()[0]!;
  return {
    page,
    problems: problemsOf(page),
    crash: async () => void process.kill(childRunning(child.pid!, 'classifier.js'), 'SIGKILL'),
    // Chromium and the classifier hear of it and end as well.
    kill: () => child.kill('SIGKILL'),
    close: async () => {
      await page.close();
      return await ended;
    },
  };
}

function endOf(child: ChildProcess): Promise<{ code: number | null; output: string }> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, output })));
}

function problemsOf(page: Page): readonly string[] {
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  return problems;
}

/** The child of a process that runs `program`. */
function childRunning(parent: number, program: string): number {
  const found = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const isChild = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === String(parent);
      return isChild && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program);
    } catch {
      return false;
    }
  });
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

const title = hasAll ? 'examples/electron' : 'examples/electron (skipped without dist/ and Chromium)';
const where = isReal ? 'in Electron' : 'in a stand-in for Electron';

describe.skipIf(!hasAll)(`${title}, ${where}`, { timeout: 120_000 }, () => {
  let folder: string;
  let app: Started;
  /** A photograph the right way up, and the same stored on its side with the orientation in its EXIF data. */
  let upright: string;
  let turned: string;
  /** Stored on its side, and nothing says so. */
  let onItsSide: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'neonsense-electron-'));
    mkdirSync(screenshots, { recursive: true });
    const scene = sharp(join(projectRoot, 'examples/photo-telephone.webp')).resize(640, 480, { fit: 'cover' });
    const pixels = await scene.raw().toBuffer({ resolveWithObject: true });
    const picture = () => sharp(pixels.data, { raw: pixels.info });
    [upright, turned, onItsSide] = ['upright.png', 'turned.png', 'side.png'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await picture().png().toFile(upright);
    await picture().rotate(270).png().withMetadata({ orientation: 6 }).toFile(turned);
    await picture().rotate(270).png().toFile(onItsSide);
    // What the fake camera shows, again and again.
    const keyboard = sharp(join(projectRoot, 'examples/photo-keyboard.webp')).resize(640, 480, { fit: 'cover' });
    const film = join(folder, 'camera.mjpeg');
    writeFileSync(film, await keyboard.jpeg({ quality: 85 }).toBuffer());
    const flags = ['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`];
    app = await (isReal ? startReal(flags) : startStandIn(folder, flags));
  }, 120_000);

  afterAll(() => {
    app?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const label = () => app.page.textContent('#label:not([hidden]) span');
  const answers = async () => await app.page.locator('#answers li').allTextContents();
  const openPhoto = async (file: string): Promise<string[]> => {
    await app.page.setInputFiles('#file', file);
    await expect.poll(() => app.page.textContent('#status'), { timeout: 30_000 }).toMatch(/looks like|Nothing that/);
    return await answers();
  };

  it('labels a photo that is opened, turned as its EXIF data say', async () => {
    const right = await openPhoto(upright);
    expect(right[0]).toMatch(/^telephone/);
    expect(await openPhoto(turned)).toEqual(right);
    expect(await openPhoto(onItsSide)).not.toEqual(right);
  });

  it('labels a photo that is dropped on the window', async () => {
    const bytes = readFileSync(join(projectRoot, 'examples/clock.png')).toString('base64');
    await app.page.evaluate(`{
      const bytes = Uint8Array.from(atob('${bytes}'), (character) => character.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], 'clock.png'));
      const dropped = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
      document.getElementById('hint').dispatchEvent(dropped);
    }`);
    await expect.poll(label).toBe('clock');
  });

  it('says of a file that is no picture why it has no label', async () => {
    const text = join(folder, 'notes.png');
    writeFileSync(text, 'no picture');
    await app.page.setInputFiles('#file', text);
    await expect.poll(() => app.page.textContent('#status.wrong')).toMatch(/picture/i);
    expect(await app.page.isVisible('#label')).toBe(false);
  });

  it('labels what the camera sees, started and stopped by key', async () => {
    await app.page.keyboard.press('c');
    await expect.poll(label, { timeout: 30_000 }).toBe('keyboard');
    await expect.poll(() => app.page.textContent('#speed')).toMatch(/^[1-9]\d* a second, [\d.]+ ms each$/);
    // The picture of docs/electron.md; how fast a stand-in is, says nothing.
    const style = '#speed { visibility: hidden }';
    await app.page.screenshot({ path: join(screenshots, 'electron-camera.png'), style });
    await app.page.keyboard.press('c');
    await expect.poll(() => app.page.textContent('#status')).toBe('The camera is off.');
    expect(await app.page.isVisible('#video')).toBe(false);
  });

  it('never has more than one frame on its way', async () => {
    // Counts what goes out and what comes back, where both pass.
    await app.page.evaluate(`{
      globalThis.way = { now: 0, most: 0, frames: 0 };
      const post = MessagePort.prototype.postMessage;
      MessagePort.prototype.postMessage = function (message, options) {
        if (message?.kind === 'frame' && message.data !== undefined) {
          way.most = Math.max(way.most, ++way.now);
          way.frames++;
          this.addEventListener('message', ({ data }) => data.kind === 'frame' && way.now--, { once: true });
        }
        post.call(this, message, options);
      };
    }`);
    await app.page.keyboard.press('c');
    await expect.poll(() => app.page.evaluate('way.frames'), { timeout: 30_000 }).toBeGreaterThan(8);
    expect(await app.page.evaluate('way.most')).toBe(1);
  });

  it('goes on with the camera when the classifier crashed', async () => {
    await app.crash();
    const before = (await app.page.evaluate('way.frames')) as number;
    await expect.poll(() => app.page.evaluate('way.frames'), { timeout: 30_000 }).toBeGreaterThan(before + 5);
    expect(await label()).toBe('keyboard');
  });

  it('goes on after the page was loaded again', async () => {
    await app.page.reload();
    expect((await openPhoto(upright))[0]).toMatch(/^telephone/);
  });

  it('lets the page use nothing but the camera, and connect to nothing', async () => {
    const refused = await app.page.evaluate(`(async () => {
      const name = (error) => error.name;
      return [
        await navigator.mediaDevices.getUserMedia({ audio: true }).then(() => 'a microphone', name),
        await fetch('/').then(() => 'an answer', name),
        typeof require,
        typeof process,
      ];
    })()`);
    expect(refused).toEqual(['NotAllowedError', 'TypeError', 'undefined', 'undefined']);
  });

  it.each([
    [1280, 'light'],
    [420, 'dark'],
  ] as const)('fits %d pixels, %s, and has no fault that axe knows of', async (width, colorScheme) => {
    await app.page.emulateMedia({ colorScheme });
    if (!isReal) await app.page.setViewportSize({ width, height: 800 });
    await openPhoto(upright);
    expect(await app.page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    await app.page.screenshot({ path: join(screenshots, `electron-${width}.png`) });
    const { violations } = await new AxeBuilder({ page: app.page }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  });

  it('ends with its window, the classifier by itself', async () => {
    expect(app.problems.filter((text) => !/Content Security Policy/.test(text))).toEqual([]);
    const { code, output } = await app.close();
    expect(code).toBe(0);
    if (!isReal) expect(output).toMatch(/utility process ended with SIGKILL\n[^]*utility process ended with 0\n$/);
  });
});
