import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, open } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { NeonsenseError } from '../errors.js';
import { packageRoot } from '../package.js';
import { isInsideAsar } from '../runtime/load/candidates.js';
import { type ProgressLine, progressLine } from './progress.js';

interface Options {
  readonly installTools?: boolean | undefined;
}

/** What scripts/setup.sh needs, with the names of the Debian packages that have it. */
export const TOOLS: readonly (readonly [command: string, debianPackage: string])[] = [
  ['c++', 'g++'],
  ['cc', 'gcc'],
  ['cmake', 'cmake'],
  ['ninja', 'ninja-build'],
  ['ccache', 'ccache'],
  ['xz', 'xz-utils'],
  ['tar', 'tar'],
];

const POLL_MS = 500;
/** Enough of the end of the log to hold the compiler's last count. */
const TAIL_BYTES = 16_384;

/** Adds `neonsense build`. */
export function register(program: Command): void {
  program
    .command('build')
    .description('compile the native addon from source in the package folder, instead of using a prebuilt one')
    .option('--install-tools', 'install a missing compiler, CMake and the like with apt-get')
    .addHelpText(
      'after',
      `
Fetches the pinned sources of XNNPACK and npm packages for building, and compiles for minutes; on a Raspberry Pi for up
to half an hour. The result is used from then on; remove the folder "build" in the package folder to be rid of it.`,
    )
    .action(run);
}

async function run({ installTools }: Options): Promise<void> {
  if (process.platform === 'win32') {
    const message =
      'On Windows nothing is built: the package carries its binaries. Install neonsense again if it does not load';
    throw new NeonsenseError('ERR_UNSUPPORTED', message);
  }
  await checkFolder(packageRoot);
  if (installTools !== true) {
    const advice = adviceFor(await missingTools(process.env['PATH'] ?? ''), process.platform);
    if (advice !== undefined) throw new NeonsenseError('ERR_UNSUPPORTED', advice);
  }
  const log = join(packageRoot, 'setup.log');
  const progress = progressLine('files');
  const started = Date.now();
  const timer = setInterval(() => void showProgress(log, started, progress), POLL_MS);
  try {
    const code = await runScript(progress);
    if (code !== 0) {
      throw new NeonsenseError(
        'ERR_UNSUPPORTED',
        `The build failed; what went wrong stands above, all of it in ${log}`,
      );
    }
  } finally {
    clearInterval(timer);
    progress.clear();
  }
  process.stdout.write(`${join(packageRoot, 'build', 'Release')}: built. Try: npx neonsense doctor\n`);
}

/** @throws {NeonsenseError} `ERR_UNSUPPORTED` or `ERR_IO` where nothing can be built in `folder` */
export async function checkFolder(folder: string): Promise<void> {
  if (isInsideAsar(folder)) {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `${folder} lies inside an Electron archive: build before packaging the app`,
    );
  }
  for (const needed of ['scripts/setup.sh', 'CMakeLists.txt', 'native']) {
    await access(join(folder, needed)).catch((cause: unknown) => {
      const message = `${join(folder, needed)} is missing, so there are no sources to build: install neonsense again`;
      throw new NeonsenseError('ERR_NOT_FOUND', message, { cause });
    });
  }
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    const message = `${folder} can't be written to: run this as the user it belongs to`;
    throw new NeonsenseError('ERR_IO', message, { cause });
  });
}

/** Of what a build needs, what no folder of `path` has. */
export async function missingTools(path: string): Promise<string[]> {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const isThere = async (command: string): Promise<boolean> => {
    const found = folders.map((folder) =>
      access(join(folder, command), constants.X_OK).then(
        () => true,
        () => false,
      ),
    );
    return (await Promise.all(found)).includes(true);
  };
  const missing: string[] = [];
  for (const command of ['bash', ...TOOLS.map(([name]) => name)]) if (!(await isThere(command))) missing.push(command);
  return missing;
}

/** What to say of missing tools; undefined where none is. */
export function adviceFor(missing: readonly string[], platform: NodeJS.Platform): string | undefined {
  if (missing.length === 0) return undefined;
  const packages = missing.map((command) => TOOLS.find(([name]) => name === command)?.[1] ?? command);
  const how =
    platform === 'darwin'
      ? 'xcode-select --install; brew install cmake ninja ccache xz'
      : `sudo apt-get install -y ${packages.join(' ')} (Debian's names), or let neonsense build --install-tools do it`;
  return `To build the addon, ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing. Run: ${how}`;
}

/** The last `[done/total]` that the compiler's driver printed. */
export function compiledFiles(log: string): { done: number; total: number } | undefined {
  const [, done, total] = [...log.matchAll(/^\[(\d+)\/(\d+)\] /gm)].at(-1) ?? [];
  return done === undefined ? undefined : { done: Number(done), total: Number(total) };
}

function runScript(progress: ProgressLine): Promise<number | null> {
  const child = spawn('bash', [join(packageRoot, 'scripts', 'setup.sh')], {
    cwd: packageRoot,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: withoutNpm(process.env),
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    progress.clear();
    process.stderr.write(text);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

/** Without what `npx` and `npm run` set, which would send the script's own npm to the caller's project. */
function withoutNpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => !/^npm_(config_(local_prefix|prefix|global)|command|lifecycle|package)/i.test(name),
    ),
  );
}

async function showProgress(log: string, started: number, progress: ProgressLine): Promise<void> {
  try {
    const file = await open(log, 'r');
    try {
      const { size, mtimeMs } = await file.stat();
      // Until the script has begun, the log is that of an earlier build.
      if (mtimeMs < started) return;
      const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
      await file.read(tail, 0, tail.length, size - tail.length);
      const count = compiledFiles(tail.toString('latin1'));
      if (count !== undefined) progress.update(count.done, count.total);
    } finally {
      await file.close();
    }
  } catch {
    // No log yet: nothing to show.
  }
}
