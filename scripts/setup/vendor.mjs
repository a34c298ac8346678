#!/usr/bin/env node
// Puts the pinned third-party sources of third_party/manifest.json into third_party/src/NAME.
//
//   node scripts/setup/vendor.mjs [--manifest FILE] [--update-licenses]
//
// For each source the ways are tried in this order, and every failure is kept for the final message:
//   1. the folder is already there, with a stamp that names the same pin
//   2. NEONSENSE_THIRD_PARTY: a folder that holds NAME/ or the tarball, or the tarball itself
//   3. git, at the pinned commit
//   4. the Debian source package's .orig tarball (also the only way that leaves a file in third_party/cache)
// Nothing lands in third_party/src unless it is the pinned content: tarballs are compared by SHA-256, git trees by
// commit id, plain folders by a hash over all their files. A source is unpacked beside its place and renamed into it.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
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
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashFile, hashTree, STAMP } from './hash-tree.mjs';

const GIT_TIMEOUT_MS = 10 * 60_000;
const CONNECT_TIMEOUT_MS = 4_000;
const APT_TIMEOUT_MS = 5 * 60_000;

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
  const debian = new DebianSources(place.cache);
  try {
    for (const source of manifest.sources) {
      await vendorOne(source, place, debian);
      checkLicense(source, place, updateLicenses);
    }
  } finally {
    debian.close();
  }
}

async function vendorOne(source, place, debian) {
  const home = join(place.src, source.name);
  const ways = [
    ['already unpacked', () => alreadyUnpacked(source, home)],
    ['NEONSENSE_THIRD_PARTY', (into) => fromEnvironment(source, into)],
    ['git', (into) => fromGit(source, into)],
    ['Debian source package', (into) => fromTarball(source, debian.fetch(source), into)],
  ];
  const failures = [];
  for (const [way, attempt] of ways) {
    const temporary = mkdtempSync(join(place.src, `.${source.name}-`));
    const into = join(temporary, source.name);
    try {
      mkdirSync(into);
      await attempt(into);
      if (way !== 'already unpacked') {
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
    const got = hashTree(folder);
    if (got !== source.treeSha256) {
      throw new Failed(`${folder} is not the pinned content: tree hash ${got}, expected ${source.treeSha256}`);
    }
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

/** Way 4. apt with a source list, package lists and cache of its own: the machine's apt configuration is only read. */
class DebianSources {
  #cache;
  #folder;
  #updated;

  constructor(cache) {
    this.#cache = cache;
  }

  close() {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Path of the .orig tarball, from third_party/cache or fetched into it. */
  fetch(source) {
    const cached = join(this.#cache, source.debian.tarball);
    if (existsSync(cached) && hashFile(cached) === source.debian.sha256) return cached;
    this.#update();
    const failures = [];
    for (const suite of source.debian.suites) {
      const downloads = mkdtempSync(join(this.#folder, 'download-'));
      const result = this.#apt(['source', '--download-only', `${source.debian.package}/${suite}`], downloads);
      // The exit code says nothing about the one file wanted: mirrors may lack the .dsc or .debian parts.
      const file = readdirSync(downloads).find(
        (name) => /\.orig\.tar\./.test(name) && hashFile(join(downloads, name)) === source.debian.sha256,
      );
      if (file !== undefined) {
        mkdirSync(this.#cache, { recursive: true });
        copyFileSync(join(downloads, file), `${cached}.part`);
        renameSync(`${cached}.part`, cached);
        return cached;
      }
      const others = readdirSync(downloads).filter((name) => /\.orig\.tar\./.test(name));
      failures.push(`${suite}: ${others.length > 0 ? `${others.join(', ')} is another version` : lastLine(result)}`);
    }
    throw new Failed(failures.join('; '));
  }

  #update() {
    if (this.#updated === undefined) {
      try {
        this.#updated = { failure: this.#prepare() };
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        this.#updated = { failure: error.message };
      }
    }
    if (this.#updated.failure !== undefined) throw new Failed(this.#updated.failure);
  }

  #prepare() {
    if (run('apt-get', ['--version']).status !== 0) return 'apt-get is not on this machine';
    this.#folder = mkdtempSync(join(tmpdir(), 'neonsense-apt-'));
    for (const name of ['lists/partial', 'cache/archives/partial'])
      mkdirSync(join(this.#folder, name), { recursive: true });
    const problems = [];
    const mirrors = debianMirrors();
    if (mirrors.length === 0) return 'no source list in /etc/apt names a Debian mirror';
    for (const mirror of mirrors) {
      // Trusted without a keyring: a Debian 12 or Raspberry Pi OS keyring need not know who signs sid,
      // and what is fetched counts only by the SHA-256 pinned in the manifest.
      writeFileSync(
        join(this.#folder, 'debian.sources'),
        [
          'Types: deb-src',
          `URIs: ${mirror}`,
          'Suites: sid trixie',
          'Components: main',
          'Trusted: yes',
          'Check-Valid-Until: no',
          '',
        ].join('\n'),
      );
      const result = this.#apt(['update', '-q', '--error-on=any'], this.#folder);
      if (result.status === 0) return undefined;
      problems.push(`${mirror}: ${lastLine(result)}`);
    }
    return `apt-get update failed (${problems.join('; ')})`;
  }

  #apt(args, cwd) {
    const options = {
      'Dir::Etc::sourcelist': join(this.#folder, 'debian.sources'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
      'Dir::State::lists': join(this.#folder, 'lists'),
      'Dir::Cache': join(this.#folder, 'cache'),
      // The hooks of an image may clean or index after each update; they are not ours to run.
      'APT::Update::Post-Invoke-Success': '',
      'APT::Sandbox::User': 'root',
      'Acquire::http::Timeout': '15',
      'Acquire::Retries': '1',
      'Acquire::Languages': 'none',
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return run('apt-get', [...args, ...flags], { cwd, timeout: APT_TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } });
  }
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
