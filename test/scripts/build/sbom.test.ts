import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

test.skipIf(!existsSync(join(root, 'dist/bundled.txt')))(
  'the list of what a release contains names every vendored source at its commit and every bundled package (skipped without dist/)',
  () => {
    const document = JSON.parse(
      execFileSync(process.execPath, [join(root, 'scripts/build/sbom.mjs')], { encoding: 'utf8' }),
    );
    expect(document.bomFormat).toBe('CycloneDX');
    expect(document.metadata.component.name).toBe('neonsense');
    const purls = document.components.map(({ purl }: { purl?: string }) => purl);
    for (const { commit } of JSON.parse(read('third_party/manifest.json')).sources) {
      expect(purls.filter((purl?: string) => purl?.endsWith(`@${commit}`))).toHaveLength(1);
    }
    expect(purls).toContain('pkg:github/google/xnnpack@4ea82e595b36106653175dcb04b2aa532660d0d8');
    const { devDependencies } = JSON.parse(read('package.json'));
    for (const name of ['zod', 'commander', 'node-gyp-build', 'node-addon-api']) {
      expect(purls).toContain(`pkg:npm/${name}@${devDependencies[name]}`);
    }
    const bundled = read('dist/bundled.txt').match(/^\S+ \d\S*, /gm)!;
    expect(purls.filter((purl?: string) => purl?.startsWith('pkg:npm/'))).toHaveLength(bundled.length + 1);
    for (const { name, licenses } of document.components) expect(licenses, name).toHaveLength(1);
  },
);
