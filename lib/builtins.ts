import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** `node:zlib`, loaded at the first call: most models need nothing inflated, and loading it takes milliseconds. */
export function zlib(): typeof import('node:zlib') {
  return require('node:zlib') as typeof import('node:zlib');
}

/** `node:crypto`, loaded at the first call: a state_dict has no hash, and loading it takes milliseconds. */
export function crypto(): typeof import('node:crypto') {
  return require('node:crypto') as typeof import('node:crypto');
}
