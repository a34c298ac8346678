#!/usr/bin/env node
// Runs prebuilt binaries, each on every platform that this machine is or can act as:
//
//   node scripts/proof/prebuilt/run-matrix.mjs [TARGET...] [--node 20,22,24,latest] [--docker]
//                                        [--cpu cortex-a53,cortex-a72,cortex-a76,max]
//
// TARGET: of scripts/build/cross/targets.mjs; without one, each that has a prebuilt file. `--node host` runs on the Node that
// runs this; `--docker` runs musl binaries in Alpine containers; `--cpu` is what arm64 is emulated as. Needs dist/, and
// sharp, which decodes the picture. Every target that ran writes build-smoke/TARGET.json: what ran, and the SHA-256 of
// the binary; release.mjs asks for it. A target named here that can't be run fails.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { targets } from '../../build/cross/targets.mjs';
import { prebuiltFile, smokeFile, targetNamed } from '../../build/prebuild/files.mjs';
import { runnersFor } from './runners.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

async function main(argv) {
  const { names, ...wanted } = parse(argv);
  const present = Object.keys(targets).filter((name) => existsSync(join(root, prebuiltFile(name))));
  const chosen = names.length > 0 ? names : present;
  if (chosen.length === 0)
    throw new Error('prebuilds/ has no binary: node scripts/build/prebuild/prebuild.mjs makes them');
  const picture = await decode(join(root, 'examples', 'clock.png'));
  let failures = 0;
  for (const name of chosen) {
    const runners = runnersFor(targetNamed(name), wanted);
    if (runners.length === 0) {
      console.log(`${name}: this machine can't run it`);
      if (names.length > 0) failures++;
      continue;
    }
    failures += runTarget(name, runners, [...picture, 'clock']);
  }
  return failures === 0 ? 0 : 1;
}

/** @returns {number} runs that failed */
function runTarget(name, runners, args) {
  const file = join(root, prebuiltFile(name));
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  const runs = runners.map(({ how, command }) => {
    const [program, ...before] = command();
    const run = (script, ...given) =>
      spawnSync(program, [...before, join(root, 'scripts', 'proof', 'prebuilt', script), ...given], {
        encoding: 'utf8',
        env: { ...process.env, NEONSENSE_BINARY: file },
        timeout: 15 * 60 * 1000,
      });
    const smoke = run('smoke.mjs', ...args);
    const failed = [smoke, run('worker-alone.mjs')].find(({ status }) => status !== 0);
    console.log(`${name}: ${how}: ${failed === undefined ? 'passed' : 'FAILED'}`);
    if (failed === undefined) return { how, passed: true, ...JSON.parse(smoke.stdout.trim().split('\n').at(-1)) };
    console.error(failed.error?.message ?? `${failed.signal ?? ''} ${failed.stderr}`.trim());
    return { how, passed: false };
  });
  const record = join(root, smokeFile(name));
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, `${JSON.stringify({ target: name, sha256, runs }, null, 2)}\n`);
  return runs.filter((each) => !each.passed).length;
}

/** Raw pixels in a file, as [file, width, height]. */
async function decode(picture) {
  const { default: sharp } = await import('sharp');
  const { data, info } = await sharp(picture)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const file = join(root, 'build-smoke', 'clock.rgb');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, data);
  return [file, String(info.width), String(info.height)];
}

function parse(argv) {
  const options = {
    names: [],
    nodes: ['20', '22', '24', 'latest'],
    cpus: ['cortex-a53', 'cortex-a72', 'cortex-a76', 'max'],
    docker: false,
  };
  for (let i = 0; i < argv.length; i++) {
    const list = () => {
      const value = argv[++i];
      if (!value) throw new Error(`${argv[i - 1]} needs a value`);
      return value.split(',');
    };
    if (argv[i] === '--node') options.nodes = list();
    else if (argv[i] === '--cpu') options.cpus = list();
    else if (argv[i] === '--docker') options.docker = true;
    else if (argv[i].startsWith('-')) throw new Error(`unknown option ${argv[i]}`);
    else options.names.push(argv[i]);
  }
  const odd = options.nodes.find((each) => !/^(\d+(\.\d+\.\d+)?|latest|host)$/.test(each));
  if (odd !== undefined) throw new Error(`--node: expected versions like 22 or 20.9.0, latest or host, got ${odd}`);
  for (const name of options.names) targetNamed(name);
  return options;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`run-matrix: ${error.message}`);
  process.exitCode = 1;
}
