#!/usr/bin/env node
// Writes into package.json which repository the package is made from:  node scripts/build/name-repository.mjs [FILE]
// npm takes a provenance statement only where `repository` names the repository whose workflow signed it. Where the
// project is hosted, and whether this is a fork, only that workflow knows, from GITHUB_SERVER_URL and GITHUB_REPOSITORY.
// A package.json that names another repository is left as it is, and the exit code is 1.

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @param {{ GITHUB_SERVER_URL?: string, GITHUB_REPOSITORY?: string }} environment
 * @returns {{ type: 'git', url: string }} as package.json has it
 * @throws where the environment is not that of a workflow
 */
export function repositoryOf({ GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name }) {
  if (!/^https:\/\/[\w.-]+$/.test(server ?? '') || !/^[\w.-]+\/[\w.-]+$/.test(name ?? '')) {
    throw new Error(
      `expected GITHUB_SERVER_URL like https://HOST and GITHUB_REPOSITORY like OWNER/NAME, got ` +
        `${server ?? 'none'} and ${name ?? 'none'}: run this in a GitHub workflow, or set both`,
    );
  }
  return { type: 'git', url: `git+${server}/${name}.git` };
}

function main([file = join(dirname(fileURLToPath(import.meta.url)), '../..', 'package.json')]) {
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  const repository = repositoryOf(process.env);
  const present = manifest.repository?.url ?? manifest.repository;
  if (present !== undefined && present !== repository.url) {
    throw new Error(`${file} names ${present}, but this is ${repository.url}: only one can sign the package`);
  }
  writeFileSync(file, `${JSON.stringify({ ...manifest, repository }, null, 2)}\n`);
  console.log(`${file}: ${repository.url}`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    console.error(`name-repository: ${error.message}`);
    process.exitCode = 1;
  }
}
