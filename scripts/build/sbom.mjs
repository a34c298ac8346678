#!/usr/bin/env node
// Prints what is in the package beside its own code, as a CycloneDX document:  node scripts/build/sbom.mjs > sbom.cdx.json
// The sources compiled into the addon, by commit and by hash, come from third_party/manifest.json; node-addon-api and
// the compiler's runtimes from their pins; JavaScript bundled into dist/ from dist/bundled.txt (npm run build:ts).
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (file) => readFileSync(join(root, file), 'utf8');
const license = (id) => [/ (?:WITH|OR|AND) /.test(id) ? { expression: id } : { license: { id } }];
const npm = (name, version, id) => ({
  type: 'library',
  name,
  version,
  purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
  licenses: license(id),
});

const own = JSON.parse(read('package.json'));
const compiled = JSON.parse(read('third_party/manifest.json')).sources.map((source) => ({
  type: 'library',
  name: source.name,
  version: source.commit,
  purl: `pkg:${new URL(source.upstream).host.split('.')[0]}${new URL(source.upstream).pathname.toLowerCase()}@${source.commit}`,
  licenses: license(source.license.spdx),
  // Of Debian's tarball of that commit; the hash over the files themselves is a property, since it is our own.
  hashes: [{ alg: 'SHA-256', content: source.debian.sha256 }],
  properties: [{ name: 'neonsense:treeSha256', value: source.treeSha256 }],
}));
const zig = /^ziglang==(\S+)/m.exec(read('scripts/build/cross/requirements.txt'))[1];
const runtimes = {
  type: 'library',
  name: 'llvm-runtimes',
  version: `of ziglang ${zig}`,
  description: 'libc++, libc++abi, libunwind and compiler-rt, in cross-built binaries',
  licenses: license('Apache-2.0 WITH LLVM-exception'),
};
const headers = npm('node-addon-api', own.devDependencies['node-addon-api'], 'MIT');
const bundled = read('dist/bundled.txt')
  .split('\n')
  .map((line) => /^(\S+) (\S+), (.+): \S+$/.exec(line))
  .filter((match) => match !== null)
  .map(([, name, version, id]) => npm(name, version, id));

const document = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: { component: { 'bom-ref': own.name, ...npm(own.name, own.version, own.license) } },
  components: [...compiled, headers, runtimes, ...bundled],
};
console.log(JSON.stringify(document, null, 2));
