// What of Electron's API the example calls, on plain Node: windows are pages of Chromium, utility processes are child
// processes, and ports lead from one to the other. Prints `devtools URL` when a window has a page, for tests to join.

import { fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { installInPage } from './inPage.mjs';

const windows = new Set();
let browser;
let isQuitting = false;

// As in Electron: only when the main module has been evaluated.
const ready = once(process, 'main module evaluated');

export const app = Object.assign(new EventEmitter(), {
  whenReady: () => ready,
  quit() {
    let isPrevented = false;
    app.emit('before-quit', { preventDefault: () => (isPrevented = true) });
    if (isPrevented || isQuitting) return;
    isQuitting = true;
    for (const window of windows) window.emit('closed');
    Promise.resolve(browser?.close()).then(() => process.exit(0));
  },
});

/** The app's files, as its own scheme's handler gives them, under an address that Chromium knows. */
let site;
export const protocol = {
  registerSchemesAsPrivileged() {},
  handle(scheme, handler) {
    const server = createServer(async (request, response) => {
      const answer = await handler(new Request(`${scheme}://neonsense${request.url}`));
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
    server.listen(0, '127.0.0.1').unref();
    site = once(server, 'listening').then(() => `http://127.0.0.1:${server.address().port}/`);
  },
};

const handlers = {};
export const session = {
  defaultSession: {
    setPermissionRequestHandler: (handler) => (handlers.request = handler),
    setPermissionCheckHandler: (handler) => (handlers.check = handler),
  },
};

/** What the app lets its page use; nothing where it does not say. */
async function permissions(url) {
  const asked = { camera: 'video', microphone: 'audio' };
  const allowed = await Promise.all(
    Object.values(asked).map((kind) => {
      const details = { requestingUrl: url, mediaTypes: [kind] };
      return new Promise((resolve) => handlers.request({ getURL: () => url }, 'media', resolve, details));
    }),
  );
  return Object.keys(asked).filter((_, index) => allowed[index]);
}

export const systemPreferences = { askForMediaAccess: async () => true };

export class BrowserWindow extends EventEmitter {
  #preload;
  #page;
  webContents = Object.assign(new EventEmitter(), {
    setWindowOpenHandler() {},
    getURL: () => 'app://neonsense/',
    postMessage: (channel, message, ports = []) => {
      for (const port of ports) port.ownedBy((id, data) => this.#page.evaluate(DELIVER, [id, data]).catch(() => {}));
      this.#page.evaluate(POST, [channel, message, ports.map(({ id }) => id)]).catch(() => {});
    },
  });

  constructor({ webPreferences: { preload, sandbox, contextIsolation, nodeIntegration } }) {
    super();
    if (!sandbox || !contextIsolation || nodeIntegration) throw new Error('the page is not shut off from Node');
    this.#preload = readFileSync(preload, 'utf8');
    windows.add(this);
  }

  show() {}

  async loadURL(url) {
    const profile = mkdtempSync(join(tmpdir(), 'neonsense-electron-'));
    process.on('exit', () => rmSync(profile, { recursive: true, force: true }));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      viewport: { width: 960, height: 760 },
      args: ['--no-sandbox', '--remote-debugging-port=0', ...process.argv.slice(2)],
    });
    browser = context;
    const address = await site;
    await context.grantPermissions(await permissions(url), { origin: new URL(address).origin });
    const page = context.pages()[0];
    this.#page = page;
    await page.exposeFunction('standInSend', (id, text) => Port.send(id, decoded(text)));
    await page.addInitScript(`(${installInPage})((require) => {${this.#preload}\n})`);
    page.on('load', () => this.webContents.emit('did-finish-load'));
    page.on('close', () => {
      windows.delete(this);
      this.emit('closed');
      if (windows.size === 0) app.emit('window-all-closed');
    });
    await page.goto(address);
    this.emit('ready-to-show');
    const [port] = readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n');
    console.log(`devtools http://127.0.0.1:${port}`);
  }
}

// Run in the page.
const POST = ([channel, message, ids]) => globalThis.standIn.post(channel, message, ids);
const DELIVER = ([id, data]) => globalThis.standIn.deliver(id, data);

/** Bytes come as base64: what Playwright hands over is JSON. */
function decoded(text) {
  return JSON.parse(text, (_, value) =>
    value?.base64 === undefined ? value : new Uint8Array(Buffer.from(value.base64, 'base64')),
  );
}

/** One end of a channel; what is sent there comes out where the other end was posted to. */
class Port {
  static #all = new Map();
  #receive;

  constructor(id, other) {
    this.id = id;
    this.other = other;
    Port.#all.set(id, this);
  }

  ownedBy(receive) {
    this.#receive = receive;
  }

  static send(id, data) {
    const { other } = Port.#all.get(id);
    Port.#all.get(other).#receive?.(other, data);
  }
}

let channels = 0;
export class MessageChannelMain {
  constructor() {
    const [first, second] = [++channels, -channels];
    this.port1 = new Port(first, second);
    this.port2 = new Port(second, first);
  }
}

export const utilityProcess = {
  fork(file, args) {
    const execArgv = ['--import', new URL('parentPort.mjs', import.meta.url).href];
    const child = fork(file, args, { serialization: 'advanced', execArgv });
    const told = new EventEmitter();
    child.on('message', ({ message, port, data }) => {
      if (port === undefined) told.emit('message', message);
      else Port.send(port, data);
    });
    // What is sent to a process that has just died is lost, as in Electron.
    child.on('error', () => {});
    child.on('exit', (code, signal) => {
      console.log(`utility process ended with ${signal ?? code}`);
      told.emit('exit', code ?? 1);
    });
    return Object.assign(told, {
      kill: () => child.kill(),
      postMessage(message, ports = []) {
        for (const port of ports) port.ownedBy((id, data) => child.connected && child.send({ port: id, data }));
        child.send({ message, ports: ports.map(({ id }) => id) });
      },
    });
  },
};
