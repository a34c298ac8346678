#!/usr/bin/env node
// May this be published?  node scripts/build/prebuild/release.mjs [FOLDER]
// FOLDER (the project) must hold a prebuilt file of every target, each as check-binary.mjs wants it, with a record by
// run-matrix.mjs that exactly this file ran, where the target says that it is run. Exit code 1 names all that is
// missing.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeBinary, problemsOf } from '../check-binary.mjs';
import { targets } from '../cross/targets.mjs';
import { prebuiltFile, smokeFile, symbolsFile } from './files.mjs';

/**
 * @param {string} folder  with prebuilds/, build-symbols/ and build-smoke/
 * @returns {string[]} one line for each reason not to publish
 */
export function reasonsAgainst(folder) {
  return Object.entries(targets).flatMap(([name, target]) => {
    const file = join(folder, prebuiltFile(name));
    if (!existsSync(file)) return [`${name}: ${prebuiltFile(name)} is missing`];
    const content = readFileSync(file);
    const symbols = join(folder, symbolsFile(name));
    const reasons = [];
    try {
      const binary = describeBinary(content, existsSync(symbols) ? readFileSync(symbols) : undefined);
      reasons.push(...problemsOf(binary, target.expect));
    } catch (error) {
      reasons.push(error.message);
    }
    if (target.isRun) reasons.push(...reasonsOfRecord(join(folder, smokeFile(name)), content));
    return reasons.map((reason) => `${name}: ${reason}`);
  });
}

function reasonsOfRecord(file, binary) {
  if (!existsSync(file)) return ['its smoke test did not run'];
  const { sha256, runs } = JSON.parse(readFileSync(file, 'utf8'));
  if (sha256 !== createHash('sha256').update(binary).digest('hex')) return ['its smoke test ran another binary'];
  const failed = runs.filter(({ passed }) => passed !== true).map(({ how }) => how);
  if (failed.length > 0) return [`its smoke test failed: ${failed.join('; ')}`];
  return runs.length > 0 ? [] : ['its smoke test ran nothing'];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
  const reasons = reasonsAgainst(resolve(process.argv[2] ?? root));
  for (const reason of reasons) console.error(`release: ${reason}`);
  if (reasons.length === 0)
    console.log(`release: all ${Object.keys(targets).length} targets are built, checked and run`);
  process.exitCode = reasons.length === 0 ? 0 : 1;
}
