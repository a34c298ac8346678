// Wine, which runs Windows programs on Linux: where it is, and a Windows of its own in a folder, made once.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { once } from '../../build/make-once.mjs';

/** Debian's wine64 puts its program where no PATH leads; other systems call it wine or wine64. */
const PROGRAMS = ['/usr/lib/wine/wine64', '/usr/bin/wine64', '/usr/bin/wine'];

/** @returns {string | undefined} the program, where it is installed */
export function wineProgram() {
  return PROGRAMS.find((each) => existsSync(each));
}

/**
 * @param {string} tools  folder for the Windows that programs see
 * @returns {string[]} program and first arguments: what follows is a Windows program and its own
 */
export function prepareWine(tools) {
  const wine = wineProgram();
  if (wine === undefined) throw new Error('Wine is not installed; on Debian: apt-get install wine64');
  const home = join(tools, 'wine');
  once(home, (into) => {
    console.error('making a Windows for Wine ...');
    // Node asks for Windows 10.
    const [program, ...before] = command(wine, into);
    const version = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'];
    run(program, [...before, ...version]);
    // Only then is it whole on the disk, and can be renamed.
    run('env', [`WINEPREFIX=${into}`, wine.replace(/wine(64)?$/, 'wineserver'), '--wait']);
  });
  return command(wine, home);
}

/**
 * Without a screen, without what would ask to be installed, and without Wine's notes on itself. What is printed goes
 * through a file: Node can't open the pipes of Linux there.
 */
function command(wine, home) {
  const settings = { WINEPREFIX: home, WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree,mshtml=', DISPLAY: '' };
  const assigned = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const script = 'out=$(mktemp); "$@" </dev/null >"$out" 2>&1; code=$?; cat "$out"; rm -f "$out"; exit $code';
  return ['sh', '-c', script, 'sh', 'env', ...assigned, wine];
}

function run(program, args) {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`);
}
