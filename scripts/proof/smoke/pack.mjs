// Makes the package as npm would publish it, from a copy of the tree, so that what others build here is left alone.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './environment.mjs';

export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * @param {string} into An existing folder for the copy and the tarball.
 * @param {{ build?: boolean }} options build: bundle and write types in the copy; else the project's dist/ is taken.
 * @returns {{ tarball: string, files: { path: string, size: number }[], localBinary: string | undefined }}
 *   localBinary: where the build of this machine was put, when there was no prebuilt binary for it.
 */
export function packProject(into, { build = true } = {}) {
  const tree = mkdtempSync(join(into, 'tree-'));
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: projectRoot,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const packed = /^(lib|models|native|third_party|scripts)\/|^(?!node_modules$)[^/]+$/;
  for (const file of listed.split('\0')) {
    // Files deleted and not yet committed are listed, but gone.
    if (!packed.test(file) || !existsSync(join(projectRoot, file))) continue;
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(join(projectRoot, file), join(tree, file));
  }
  symlinkSync(join(projectRoot, 'node_modules'), join(tree, 'node_modules'));
  if (existsSync(join(projectRoot, 'prebuilds'))) {
    cpSync(join(projectRoot, 'prebuilds'), join(tree, 'prebuilds'), { recursive: true });
  }
  const localBinary = placeLocalBinary(tree);

  const env = cleanEnvironment(into);
  const stdio = ['ignore', 'pipe', 'inherit'];
  const npm = (...args) => execFileSync('npm', args, { cwd: tree, env, encoding: 'utf8', stdio });
  if (build) npm('run', '--silent', 'build:ts');
  else cpSync(join(projectRoot, 'dist'), join(tree, 'dist'), { recursive: true });
  const report = npm('pack', '--ignore-scripts', '--json', '--silent', '--pack-destination', into);
  const [{ filename, files }] = JSON.parse(report);
  rmSync(tree, { recursive: true });
  return { tarball: join(into, filename), files, localBinary };
}

/** The build of this machine, where there is no prebuilt binary for it. */
function placeLocalBinary(tree) {
  const folder = join('prebuilds', `${process.platform}-${process.arch}`);
  const { glibcVersionRuntime } = process.report.getReport().header;
  const libc = glibcVersionRuntime ? '.glibc' : '.musl';
  const file = join(folder, `neonsense${process.platform === 'linux' ? libc : ''}.node`);
  if (existsSync(join(tree, file))) return undefined;
  const built = join(projectRoot, 'build/Release/neonsense.node');
  if (!existsSync(built)) throw new Error(`Neither ${file} nor ${built} is there: run \`bash scripts/setup.sh\` first`);
  mkdirSync(join(tree, folder), { recursive: true });
  cpSync(built, join(tree, file));
  return file;
}
