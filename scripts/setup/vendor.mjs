#!/usr/bin/env node
// Puts the pinned third-party sources of third_party/manifest.json into third_party/src/NAME.
//
//   node scripts/setup/vendor.mjs [--manifest FILE] [--update-licenses]
//
// For each source the ways are tried in this order, and every failure is kept for the final message:
//   1. the folder is already there, with a stamp that names the same pin
//   2. NEONSENSE_THIRD_PARTY: a folder that holds NAME/ or the tarball, or the tarball itself
//   3. git, at the pinned commit
//   4. the .orig tarball of Debian's source package, by its address in the pool of a mirror (also the only way that
//      leaves a file in third_party/cache)
// Nothing lands in third_party/src unless it is the pinned content, whichever way it came: a hash over all its files is
// the last word. Tarballs are compared by SHA-256 before they are unpacked, checkouts by commit id. No package list is
// asked, so none has to be trusted. A source is unpacked beside its place and renamed into it.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashFile, hashTree, STAMP } from './hash-tree.mjs';

const GIT_TIMEOUT_MS = 10 * 60_000;
const CONNECT_TIMEOUT_MS = 4_000;
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const APT_HELPER = '/usr/lib/apt/apt-helper';

class Failed extends Error {}

function main(argv) {
  const options = { manifest: undefined, updateLicenses: false };
  for (let i = 0; i < argv.length; i++) {
    const value = () => {
      if (argv[i + 1] === undefined) throw new Failed(`${argv[i]} needs a value`);
      return argv[++i];
    };
    if (argv[i] === '--manifest') options.manifest = resolve(value());
    else if (argv[i] === '--update-licenses') options.updateLicenses = true;
    else throw new Failed(`unknown argument ${argv[i]}; known: --manifest FILE, --update-licenses`);
  }
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
  return vendor(options.manifest ?? join(root, 'third_party', 'manifest.json'), options.updateLicenses);
}

async function vendor(manifestFile, updateLicenses) {
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const base = dirname(manifestFile);
  const place = { base, src: join(base, 'src'), cache: join(base, 'cache'), licenses: join(base, 'licenses') };
  mkdirSync(place.src, { recursive: true });
  for (const source of manifest.sources) {
    await vendorOne(source, place);
    checkLicense(source, place, updateLicenses);
  }
}

async function vendorOne(source, place) {
  const home = join(place.src, source.name);
  const ways = [
    ['already unpacked', () => alreadyUnpacked(source, home)],
    ['NEONSENSE_THIRD_PARTY', (into) => fromEnvironment(source, into)],
    ['git', (into) => fromGit(source, into)],
    ['Debian source package', (into) => fromTarball(source, fromPool(source, place.cache), into)],
  ];
  const failures = [];
  for (const [way, attempt] of ways) {
    const temporary = mkdtempSync(join(place.src, `.${source.name}-`));
    const into = join(temporary, source.name);
    try {
      mkdirSync(into);
      await attempt(into);
      if (way !== 'already unpacked') {
        checkTree(source, into);
        writeFileSync(join(into, STAMP), `${JSON.stringify({ ...pinOf(source), way }, null, 2)}\n`);
        if (existsSync(home)) renameSync(home, join(temporary, 'old'));
        renameSync(into, home);
        console.log(`${source.name} ${source.commit.slice(0, 12)}: ${way}`);
      }
      return;
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      failures.push(`  - ${way}: ${error.message}`);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
  throw new Failed(
    `${source.name} at ${source.commit} could not be had. Tried:\n${failures.join('\n')}\n` +
      `What helps: a network that reaches ${source.upstream} or a Debian mirror; or fetch the source elsewhere\n` +
      `and set NEONSENSE_THIRD_PARTY to a folder that holds ${source.name}/ (that commit) or the tarball with SHA-256\n` +
      `${source.debian.sha256}.`,
  );
}

function pinOf(source) {
  return { name: source.name, commit: source.commit, sha256: source.debian.sha256 };
}

/** The last word on what came by any way. */
function checkTree(source, folder) {
  const got = hashTree(folder);
  if (got !== source.treeSha256) {
    throw new Failed(`not the pinned content: tree hash ${got}, expected ${source.treeSha256}`);
  }
}

/** Way 1. A stamp is written only after the content was checked, so a stamp with this pin is enough. */
function alreadyUnpacked(source, home) {
  if (!existsSync(home)) throw new Failed('no such folder yet');
  if (!existsSync(join(home, STAMP))) throw new Failed(`${home} has no stamp, so its version is unknown`);
  let stamp;
  try {
    stamp = JSON.parse(readFileSync(join(home, STAMP), 'utf8'));
  } catch {
    throw new Failed(`${join(home, STAMP)} is not JSON`);
  }
  const pin = pinOf(source);
  if (stamp.commit !== pin.commit || stamp.sha256 !== pin.sha256) throw new Failed(`the folder holds ${stamp.commit}`);
}

/** Way 2. */
async function fromEnvironment(source, into) {
  const given = process.env.NEONSENSE_THIRD_PARTY;
  if (given === undefined || given === '') throw new Failed('not set');
  if (!existsSync(given)) throw new Failed(`${given} does not exist`);
  if (statSync(given).isFile()) return fromTarball(source, given, into);
  const folder = join(given, source.name);
  if (existsSync(folder) && statSync(folder).isDirectory()) {
    // Where the folder is a checkout at the pinned commit, only what that commit holds is taken, so local edits stay
    // behind.
    if (existsSync(join(folder, '.git'))) return checkOut(folder, source.commit, into);
    cpSync(folder, into, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    return;
  }
  const tarball = readdirSync(given)
    .filter((name) => /\.tar\.(xz|gz|bz2)$|\.tgz$/.test(name))
    .map((name) => join(given, name))
    .find((file) => hashFile(file) === source.debian.sha256);
  if (tarball === undefined)
    throw new Failed(`${given} holds neither ${source.name}/ nor a tarball with the pinned SHA-256`);
  return fromTarball(source, tarball, into);
}

/** Way 3. */
async function fromGit(source, into) {
  if (run('git', ['--version']).status !== 0) throw new Failed('git is not installed');
  await reachable(source.upstream);
  const work = `${into}-git`;
  mkdirSync(work);
  for (const args of [
    ['init', '--quiet'],
    ['fetch', '--quiet', '--depth', '1', source.upstream, source.commit],
  ]) {
    const result = run('git', ['-C', work, '-c', 'http.lowSpeedLimit=1000', '-c', 'http.lowSpeedTime=15', ...args], {
      timeout: GIT_TIMEOUT_MS,
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
    });
    if (result.status !== 0) throw new Failed(`git ${args[0]}: ${lastLine(result)}`);
  }
  checkOut(work, source.commit, into);
}

/** Writes the tree of `commit` into the folder `into`; git itself checks objects against the ids they go by. */
function checkOut(repository, commit, into) {
  const found = run('git', ['-C', repository, 'rev-parse', '--verify', '--quiet', `${commit}^{commit}`]);
  if (found.status !== 0 || found.stdout.trim() !== commit) {
    throw new Failed(`${repository} does not hold commit ${commit} (a partial or other checkout)`);
  }
  const index = `${into}.index`;
  const result = run(
    'git',
    ['-C', repository, '-c', 'core.autocrlf=false', `--work-tree=${into}`, 'read-tree', '-u', '--reset', commit],
    {
      env: { ...process.env, GIT_INDEX_FILE: index },
    },
  );
  if (result.status !== 0) throw new Failed(`git read-tree: ${lastLine(result)}`);
}

/** A cheap answer to "is there any network", once a host: git may wait minutes for a name that never resolves. */
const hosts = new Map();
function reachable(upstream) {
  if (!/^https?:/.test(upstream) || proxyIsSet()) return Promise.resolve();
  const { hostname, port, protocol } = new URL(upstream);
  if (!hosts.has(hostname)) {
    hosts.set(
      hostname,
      new Promise((done) => {
        const socket = connect({ host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) });
        const end = (error) => {
          socket.destroy();
          done(error);
        };
        // A name lookup that hangs is not covered by the socket's own timeout.
        setTimeout(() => end(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS).unref();
        socket.once('connect', () => end(undefined));
        socket.once('error', (error) => end(error.message));
      }),
    );
  }
  return hosts.get(hostname).then((error) => {
    if (error !== undefined) throw new Failed(`${hostname} is out of reach: ${error}`);
  });
}

function proxyIsSet() {
  return ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'all_proxy', 'ALL_PROXY'].some((name) => process.env[name]);
}

/** Checks the tarball against the pin and unpacks it. */
function fromTarball(source, tarball, into) {
  const got = hashFile(tarball);
  if (got !== source.debian.sha256) throw new Failed(`${tarball} has SHA-256 ${got}, expected ${source.debian.sha256}`);
  const args = ['-xf', tarball, '-C', into, `--strip-components=${source.debian.stripComponents}`];
  const result = run('tar', args);
  if (result.status !== 0)
    throw new Failed(`tar: ${lastLine(result)} (does this machine have xz? apt-get install xz-utils)`);
}

/** Way 4: path of the .orig tarball, from third_party/cache or fetched into it. */
function fromPool(source, cache) {
  const { tarball, sha256 } = source.debian;
  const cached = join(cache, tarball);
  if (existsSync(cached) && hashFile(cached) === sha256) return cached;
  if (run('apt-get', ['--version']).status !== 0) throw new Failed('apt-get is not on this machine');
  mkdirSync(cache, { recursive: true });
  const part = `${cached}.part`;
  const failures = [];
  for (const mirror of [...debianMirrors(), 'https://deb.debian.org/debian']) {
    const url = `${mirror}/pool/main/${source.debian.package[0]}/${source.debian.package}/${encodeURIComponent(tarball)}`;
    try {
      rmSync(part, { force: true });
      download(url, part);
      if (hashFile(part) !== sha256) throw new Failed('another content');
      renameSync(part, cached);
      return cached;
    } catch (error) {
      failures.push(`${url}: ${error.message}`);
    } finally {
      rmSync(part, { force: true });
    }
  }
  throw new Failed(failures.join('; '));
}

/** By apt's own downloader, which knows the machine's proxies. */
function download(url, file) {
  const options = { 'Acquire::http::Timeout': '15', 'Acquire::Retries': '1', 'APT::Sandbox::User': 'root' };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const env = { ...process.env, LC_ALL: 'C' };
  const result = run(APT_HELPER, [...flags, 'download-file', url, file], { timeout: DOWNLOAD_TIMEOUT_MS, env });
  if (result.status !== 0) throw new Failed(lastLine(result));
}

/** Debian mirrors named in /etc/apt. */
function debianMirrors() {
  const found = [];
  const read = (file) => {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const match = /^\s*(?:URIs:\s*|deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?)(\S+)/.exec(line);
      if (match !== null && /\/debian\/?$/.test(match[1]) && !/raspbian|archive\.raspberrypi/.test(match[1]))
        found.push(match[1]);
    }
  };
  for (const file of ['/etc/apt/sources.list', ...filesOf('/etc/apt/sources.list.d', /\.(sources|list)$/)]) {
    if (existsSync(file)) read(file);
  }
  return [...new Set(found.map((mirror) => mirror.replace(/\/$/, '')))];
}

function filesOf(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** The committed licence must be the one of what is compiled in; a new pin needs a look at it. */
function checkLicense(source, place, update) {
  const ours = join(place.licenses, source.name);
  const theirs = join(place.src, source.name, source.license.file);
  if (!existsSync(theirs))
    throw new Failed(`${theirs} is missing: the manifest names it as the licence of ${source.name}`);
  if (update) {
    mkdirSync(place.licenses, { recursive: true });
    writeFileSync(ours, readFileSync(theirs));
  } else if (!existsSync(ours) || !readFileSync(ours).equals(readFileSync(theirs))) {
    throw new Failed(
      `${ours} is not the licence in ${theirs}: read it, then run node scripts/setup/vendor.mjs --update-licenses`,
    );
  }
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.error !== undefined) {
    const reason = result.error.code === 'ENOENT' ? `${command} is not installed` : result.error.message;
    return { status: -1, stdout: '', stderr: reason };
  }
  return result;
}

function lastLine(result) {
  const lines = `${result.stdout}\n${result.stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.findLast((line) => /^(E:|fatal:|error:)/.test(line)) ?? lines.at(-1) ?? `exit code ${result.status}`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Failed ? `vendor: ${error.message}` : error);
  process.exitCode = 1;
}
