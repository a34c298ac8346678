#!/usr/bin/env node
// Packs neonsense, installs the tarball as users do, and runs small programs of theirs against it. Ends with a table.
//
//   node scripts/proof/smoke/smoke.mjs          npm alone: ES modules, CommonJS, TypeScript, an odd folder, offline
//   node scripts/proof/smoke/smoke.mjs --all    every package manager, a read-only installation, a lockfile made on a Mac
//   --tarball FILE                        this package instead of packing one: what a release is about to publish
//   --no-build                            pack dist/ as it is
//   --only TEXT                           cases with TEXT in their name, and installations; may be given several times
//
// Needs the addon built or prebuilt for this machine. Package managers come from the npm registry, neonsense from a
// registry of its own that serves nothing else.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { consumers, typeChecks } from './consumers.mjs';
import { cleanEnvironment } from './environment.mjs';
import { installTools, managers, packageLint, typesWrong } from './managers.mjs';
import { packProject, projectRoot } from './pack.mjs';
import { serveRegistry } from './registry.mjs';
import { run } from './run.mjs';

const { values: options } = parseArgs({
  options: {
    all: { type: 'boolean' },
    tarball: { type: 'string' },
    'no-build': { type: 'boolean' },
    only: { type: 'string', multiple: true },
  },
});

const EXPECTED = 'label clock';
const work = mkdtempSync(join(tmpdir(), 'neonsense-smoke-'));
// Another user runs the programs of the read-only case.
chmodSync(work, 0o755);
const env = cleanEnvironment(work);
mkdirSync(env.HOME);
const results = [];
let registry;
try {
  const { tarball } =
    options.tarball === undefined
      ? packProject(work, { build: !options['no-build'] })
      : { tarball: resolve(options.tarball) };
  const manifest = JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }));
  registry = await serveRegistry(manifest, tarball);
  const pixels = await sharp(join(projectRoot, 'examples/clock.png')).removeAlpha().raw().toBuffer();
  await everyCase(tarball, manifest, pixels);
  // npm looks at what an optional peer would be, without installing it.
  const asked = [...new Set(registry.foreign)].filter((path) => !path.startsWith('/-/') && path !== '/sharp');
  await check('nothing but neonsense is asked for', async () => {
    if (asked.length > 0) throw new Error(`asked for ${asked.join(', ')}`);
  });
} finally {
  registry?.close();
  makeWritable(work);
  rmSync(work, { recursive: true, force: true });
}
const width = Math.max(...results.map(({ name }) => name.length));
console.log(`\n${'case'.padEnd(width)}  result`);
for (const { name, outcome } of results) console.log(`${name.padEnd(width)}  ${outcome}`);
const failed = results.filter(({ outcome }) => outcome === 'FAILED').length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 || results.length === 0 ? 1 : 0;

async function everyCase(tarball, manifest, pixels) {
  const tools = join(projectRoot, 'build-tools', 'package-managers');
  if (options.all) await installTools(tools, { ...env, HOME: process.env.HOME });
  const all = managers(tools);
  const programs = ['esm.mjs', 'cjs.cjs', 'no-sharp.mjs'];

  /** A project that depends on neonsense, with the consumers' sources in it. */
  const project = (folder, settings = {}, dependency = manifest.version) => {
    const cwd = join(work, folder);
    mkdirSync(cwd, { recursive: true });
    const dependencies = { [manifest.name]: dependency };
    const consumer = { name: 'consumer', version: '1.0.0', private: true, dependencies };
    writeFileSync(join(cwd, 'package.json'), JSON.stringify(consumer));
    writeFileSync(join(cwd, 'clock.rgb'), pixels);
    cpSync(join(projectRoot, 'examples/clock.png'), join(cwd, 'clock.png'));
    for (const [name, text] of Object.entries({ ...consumers, ...settings })) writeFileSync(join(cwd, name), text);
    return cwd;
  };
  const runs = async (cwd, [command, ...args], more = {}) => {
    const output = await run(command, args, { cwd, env, ...more });
    if (!output.split('\n').includes(EXPECTED)) throw new Error(`Expected "${EXPECTED}" but it printed:\n${output}`);
  };
  const installed = async (folder, manager, settings) => {
    const cwd = project(folder, settings);
    const [command, ...args] = manager.install;
    await run(command, args, { cwd, env });
    return cwd;
  };

  await check('npm, offline, from the file', async () => {
    const npmrc = `offline=true\ncache=${join(work, 'empty-cache')}\n`;
    const cwd = project('offline', { '.npmrc': npmrc }, `file:${tarball}`);
    await run('npm', ['install'], { cwd, env });
    await runs(cwd, all.npm.program('esm.mjs'));
    await run(process.execPath, ['node_modules/neonsense/dist/cli/main.js', '--version'], { cwd, env });
  });

  const odd = 'Büro – 画像 mit Leerzeichen';
  let oddFolder;
  await check('npm: installs in a folder with spaces and non-ASCII letters', async () => {
    oddFolder = await installed(odd, all.npm, all.npm.settings(registry.url));
  });
  if (oddFolder !== undefined) {
    for (const file of programs) await check(`npm: ${file}`, () => runs(oddFolder, all.npm.program(file)));
    for (const { name, file, module, resolution = module, emits } of typeChecks) {
      await check(`npm: ${name}`, async () => {
        const output = emits === undefined ? ['--noEmit'] : [];
        await run(
          process.execPath,
          [
            join(projectRoot, 'node_modules/typescript/bin/tsc'),
            ...['--strict', '--target', 'es2022', '--module', module, '--moduleResolution', resolution],
            ...['--typeRoots', join(projectRoot, 'node_modules/@types'), '--types', 'node', ...output, file],
          ],
          { cwd: oddFolder, env },
        );
        if (emits !== undefined) await runs(oddFolder, all.npm.program(emits));
      });
    }
  }
  if (!options.all) return;

  for (const [name, manager] of Object.entries(all)) {
    if (name === 'npm') continue;
    if (manager.available?.() === false) {
      results.push({ name, outcome: 'not available on this machine' });
      continue;
    }
    let cwd;
    await check(`${name}: installs`, async () => {
      cwd = await installed(name.replace(/\W+/g, '-'), manager, manager.settings(registry.url));
    });
    if (cwd === undefined) continue;
    for (const file of programs) await check(`${name}: ${file}`, () => runs(cwd, manager.program(file)));
  }

  await check('npm: node_modules that nobody may write to', async () => {
    const cwd = await installed('read-only', all.npm, all.npm.settings(registry.url));
    execFileSync('chmod', ['-R', 'a-w,a+rX', cwd]);
    // The superuser may write in spite of that, so someone else runs it.
    const someone = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    for (const file of programs) await runs(cwd, all.npm.program(file), someone);
  });

  const foreign = process.platform === 'darwin' ? ['--os=linux', '--cpu=x64'] : ['--os=darwin', '--cpu=arm64'];
  await check(`npm ci with a lockfile made for another platform (${foreign.join(' ')})`, async () => {
    const cwd = project('foreign-lockfile', all.npm.settings(registry.url));
    // With node_modules there the lockfile keeps only what that platform needs: npm/cli#4828.
    await run('npm', ['install', ...foreign], { cwd, env });
    rmSync(join(cwd, 'package-lock.json'));
    await run('npm', ['install', ...foreign], { cwd, env });
    rmSync(join(cwd, 'node_modules'), { recursive: true });
    await run('npm', ['ci'], { cwd, env });
    for (const file of programs) await runs(cwd, all.npm.program(file));
  });

  await check('package.json and its files, by publint', async () => {
    const [command, ...args] = packageLint(tools, tarball);
    await run(command, args, { cwd: work, env });
  });

  await check('types and exports, by attw', async () => {
    const [command, ...args] = typesWrong(tools, tarball);
    await run(command, args, { cwd: work, env });
  });
}

async function check(name, test) {
  const wanted = options.only?.some((text) => name.includes(text)) ?? true;
  if (!wanted && !name.includes(': installs')) return;
  try {
    await test();
    results.push({ name, outcome: 'ok' });
    console.log(`ok      ${name}`);
  } catch (error) {
    results.push({ name, outcome: 'FAILED' });
    console.log(`FAILED  ${name}\n${String(error.message).replace(/^/gm, '        ')}`);
  }
}

/** Undoes the read-only case, without which only the superuser could clean up. */
function makeWritable(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    if ((statSync(path).mode & 0o200) === 0) chmodSync(path, 0o755);
    makeWritable(path);
  }
}
