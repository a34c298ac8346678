import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { binaryCandidates, type Place } from '../../../lib/runtime/load/candidates.js';
import { bindingFile, type LoadSource, loadError, tryLoad } from '../../../lib/runtime/load/load.js';
import type { Host } from '../../../lib/runtime/load/loadFailure.js';
import { elfBinary } from './fakeBinary.js';

const { platform, arch } = process;
const HOST: Host = { platform, arch, node: '22.1.0', napi: '9', libc: 'glibc', glibc: '2.28' };
const here = `${platform}-${arch}`;
const fakeAddon = { createSession: () => undefined, cpu: () => undefined };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'neonsense köln '));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: Uint8Array | string = elfBinary('x64')): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

/** Loads from `root`; files whose path contains one of `broken`'s keys fail with its message. */
function source(broken: Readonly<Record<string, string>> = {}, override?: string): LoadSource & { opened: string[] } {
  const opened: string[] = [];
  return {
    root,
    override,
    host: () => HOST,
    opened,
    open: (file) => {
      opened.push(file);
      const key = Object.keys(broken).find((part) => file.includes(part));
      if (key !== undefined) throw new Error(broken[key]);
      return fakeAddon;
    },
  };
}

describe('the candidates', () => {
  const place = (more: Partial<Place> = {}): Place => ({ root, platform: 'linux', arch: 'arm64', ...more });
  const names = (more: Partial<Place> = {}): string[] =>
    binaryCandidates(place(more)).map(({ file, foreignLibc }) =>
      `${file.slice(root.length + 1)} ${foreignLibc ?? ''}`.trim(),
    );

  it('are a build, then what was prebuilt for this platform and C library', () => {
    put('build/Release/neonsense.node');
    put('prebuilds/linux-arm64/neonsense.musl.node');
    put('prebuilds/linux-arm64/neonsense.glibc.node');
    put('prebuilds/linux-arm64/README');
    put('prebuilds/linux-x64/neonsense.glibc.node');
    put('prebuilds/darwin-x64+arm64/neonsense.node');
    expect(names({ libc: () => 'glibc' })).toEqual([
      'build/Release/neonsense.node',
      'prebuilds/linux-arm64/neonsense.glibc.node',
      'prebuilds/linux-arm64/neonsense.musl.node musl',
    ]);
    expect(names({ libc: () => 'musl' })).toEqual([
      'build/Release/neonsense.node',
      'prebuilds/linux-arm64/neonsense.musl.node',
      'prebuilds/linux-arm64/neonsense.glibc.node glibc',
    ]);
    expect(names({ platform: 'darwin' })).toContain('prebuilds/darwin-x64+arm64/neonsense.node');
  });

  it('are all tried where the C library can not be told', () => {
    put('prebuilds/linux-arm64/neonsense.musl.node');
    put('prebuilds/linux-arm64/neonsense.glibc.node');
    expect(names({ libc: () => undefined })).toEqual([
      'prebuilds/linux-arm64/neonsense.glibc.node',
      'prebuilds/linux-arm64/neonsense.musl.node',
    ]);
  });

  it('are only the one that NEONSENSE_BINARY names, from the working directory', () => {
    put('build/Release/neonsense.node');
    expect(binaryCandidates(place({ override: 'some/addon.node' }))).toEqual([
      { file: join(process.cwd(), 'some/addon.node'), origin: 'NEONSENSE_BINARY' },
    ]);
    expect(names({ override: '' })).toEqual(['build/Release/neonsense.node']);
  });

  it('come from app.asar.unpacked where the package lies in an app.asar', () => {
    const packed = join(root, 'app.asar', 'node_modules', 'neonsense');
    put('app.asar', 'an archive');
    expect(binaryCandidates(place({ root: packed }))).toEqual([]);
    const unpacked = put('app.asar.unpacked/node_modules/neonsense/prebuilds/linux-arm64/neonsense.glibc.node');
    expect(binaryCandidates(place({ root: packed, libc: () => 'glibc' }))).toEqual([
      { file: unpacked, origin: 'prebuild' },
    ]);
  });
});

describe('loading', () => {
  it('takes the first that loads and opens no further', () => {
    const built = put('build/Release/neonsense.node');
    put(`prebuilds/${here}/neonsense.node`);
    const from = source();
    expect(tryLoad(from)).toEqual({ binding: fakeAddon, file: built, origin: 'build' });
    expect(from.opened).toEqual([built]);
  });

  it('goes on to the prebuilt binary when a build does not load', () => {
    put('build/Release/neonsense.node');
    const prebuilt = put(`prebuilds/${here}/neonsense.node`);
    const result = tryLoad(source({ 'build/Release': 'invalid ELF header' }));
    expect(result).toMatchObject({ file: prebuilt, origin: 'prebuild' });
  });

  it('lists each file with why and what to do when none loads', () => {
    put('build/Release/neonsense.node', 'not a binary');
    const prebuilt = put(`prebuilds/${here}/neonsense.glibc.node`, elfBinary('x64', ['libc.so.6', 'GLIBC_2.34']));
    const message = `libc.so.6: version \`GLIBC_2.34' not found (required by ${prebuilt})`;
    const from = {
      ...source({ 'build/Release': 'x', glibc: message }),
      host: () => ({ ...HOST, platform: 'linux', arch: 'x64' }),
    };
    const result = tryLoad(from);
    if (!('attempts' in result)) throw new Error('it loaded');
    expect(result.attempts.map(({ origin, cause }) => [origin, cause])).toEqual([
      ['build', 'not-a-binary'],
      ['prebuild', 'old-glibc'],
    ]);
    const error = loadError(result.attempts, from);
    expect(error.code).toBe('ERR_NATIVE_LOAD');
    expect(error.message).toMatch(/on linux-x64, glibc 2\.28 with Node 22\.1\.0/);
    for (const { file } of result.attempts) expect(error.message).toContain(`- ${file}: `);
    expect(error.message).toMatch(/needs glibc 2\.34 or newer, this system has 2\.28\. What to do: build it/);
    expect(error.message).toContain('npx neonsense doctor');
  });

  it('says which platforms there are binaries for when this one is not among them', () => {
    put('prebuilds/aix-ppc64/neonsense.node');
    const result = tryLoad(source());
    expect(result).toMatchObject({
      attempts: [{ cause: 'missing-file', why: expect.stringMatching(/only for aix-ppc64/) }],
    });
  });

  it('does not name this platform as one that has a binary when its folder is empty', () => {
    put(`prebuilds/${here}/README`);
    put('prebuilds/aix-ppc64/neonsense.node');
    expect(tryLoad(source())).toMatchObject({ attempts: [{ why: expect.stringMatching(/only for aix-ppc64$/) }] });
  });

  it('says so when there is nothing at all', () => {
    expect(tryLoad(source())).toMatchObject({
      attempts: [{ cause: 'missing-file', advice: expect.stringMatching(/npx neonsense build/) }],
    });
  });

  it("refuses somebody else's addon", () => {
    put('build/Release/neonsense.node');
    const result = tryLoad({ ...source(), open: () => ({ greet: () => 'hello' }) });
    expect(result).toMatchObject({ attempts: [{ why: expect.stringMatching(/not one of neonsense/) }] });
  });
});

/** A real loader's answers, in a process of its own: what it does to a broken file must not end the tests. */
describe('the system loader', () => {
  const real = bindingFile();
  const source = `file://${process.cwd()}/lib/runtime/load/load.ts`;
  const script = `
    import { build } from 'esbuild';
    const { outputFiles } = await build({ entryPoints: ['lib/runtime/load/load.ts'], bundle: true, platform: 'node',
      format: 'esm', write: false, outfile: 'x.mjs',
      // For node-gyp-build, which is CommonJS.
      banner: { js: "import { createRequire as r } from 'node:module'; const require = r(import.meta.url);" } });
    const { loadBinding } = await import('data:text/javascript;base64,' + Buffer.from(
      outputFiles[0].text.replaceAll('import.meta.url', ${JSON.stringify(JSON.stringify(source))}),
    ).toString('base64'));
    try { console.log(typeof loadBinding().cpu); } catch (error) { console.log(error.code, error.message); }
  `;
  const load = (file: string): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      env: { ...process.env, NEONSENSE_BINARY: file },
    });

  it('loads a copy from a folder with spaces and an umlaut', () => {
    const copy = put('copy.node', readFileSync(real));
    expect(load(copy)).toMatchObject({ status: 0, stdout: 'function\n' });
  });

  it('does not load a file that is cut short, and does not crash', () => {
    const bytes = readFileSync(real);
    for (const share of [0.1, 0.5, 0.99]) {
      const { status, stdout } = load(put('short.node', bytes.subarray(0, Math.floor(bytes.length * share))));
      expect(status).toBe(0);
      expect(stdout).toMatch(/ERR_NATIVE_LOAD[^]*cut short/);
    }
  });

  it('does not load one for another CPU', () => {
    const bytes = readFileSync(real);
    if (bytes.readUInt32BE(0) !== 0x7f454c46) return;
    bytes.writeUInt16LE(arch === 'arm64' ? 62 : 183, 18);
    const { status, stdout } = load(put('foreign.node', bytes));
    expect(status).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`ERR_NATIVE_LOAD[^]*it is for ${arch === 'arm64' ? 'x64' : 'arm64'}, this Node is for ${arch}`),
    );
  });

  it('is not asked to run JavaScript that calls itself a binary', () => {
    const { stdout } = load(put('evil.js', 'console.log("ran")'));
    expect(stdout).not.toMatch(/^ran/m);
    expect(stdout).toMatch(/ERR_NATIVE_LOAD[^]*no binary/);
  });

  it('loads from the unpacked part of an app.asar', () => {
    if (!existsSync(real)) return;
    const unpacked = join(root, 'app.asar.unpacked/node_modules/neonsense/build/Release');
    mkdirSync(unpacked, { recursive: true });
    copyFileSync(real, join(unpacked, 'neonsense.node'));
    put('app.asar', 'an archive');
    const opened: string[] = [];
    const result = tryLoad({
      root: join(root, 'app.asar', 'node_modules', 'neonsense'),
      override: undefined,
      host: () => HOST,
      open: (file) => {
        opened.push(file);
        const addon = { exports: {} };
        process.dlopen(addon, file);
        return addon.exports;
      },
    });
    expect(result).toMatchObject({ origin: 'build', file: join(unpacked, 'neonsense.node') });
  });
});
