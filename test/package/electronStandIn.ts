import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What of Electron's API the example calls, on plain Node; `.bgra` files stand in for decoded pictures. */
const ELECTRON = `
import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';

// As in Electron: only when the main module has been evaluated.
const ready = once(process, 'main module evaluated');
export const app = { whenReady: () => ready, exit: (code) => process.exit(code) };
export const dialog = { showErrorBox: (title, text) => console.error(title, text) };
export const nativeImage = {
  createFromPath: (file) => ({
    isEmpty: () => !existsSync(file + '.bgra'),
    toBitmap: () => readFileSync(file + '.bgra'),
    getSize: () => ({ width: 480, height: 480 }),
  }),
};
export const utilityProcess = {
  fork: (file) => {
    const child = fork(file, [], {
      serialization: 'advanced',
      execArgv: ['--import', new URL('parentPort.mjs', import.meta.url).href],
    });
    return Object.assign(child, { postMessage: (message) => child.send(message) });
  },
};
`;

const PARENT_PORT = `
import { EventEmitter } from 'node:events';
const port = Object.assign(new EventEmitter(), { postMessage: (message) => process.send(message) });
// Messages wait until somebody listens.
port.once('newListener', () => process.on('message', (data) => port.emit('message', { data })));
process.parentPort = port;
`;

const LAUNCH = `
import { pathToFileURL } from 'node:url';
const [main] = process.argv.splice(2, 1);
await import(pathToFileURL(main).href);
process.emit('main module evaluated');
`;

/**
 * Puts a package `electron` into `modules` (a `node_modules`).
 *
 * @returns the program that starts an app: `node PROGRAM MAIN ARGUMENTS...`; exit code 13 where main waits for `ready`
 *   before it has been evaluated, where Electron would hang
 */
export function installStandIn(modules: string): string {
  const folder = join(modules, 'electron');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'electron', type: 'module', main: 'index.mjs' }));
  writeFileSync(join(folder, 'index.mjs'), ELECTRON);
  writeFileSync(join(folder, 'parentPort.mjs'), PARENT_PORT);
  writeFileSync(join(folder, 'launch.mjs'), LAUNCH);
  return join(folder, 'launch.mjs');
}
