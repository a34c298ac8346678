// The main process: a window, what its page may do, and the process that classifies. No picture comes through here.
//
//   npm start

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { app, BrowserWindow, protocol, session, systemPreferences } from 'electron';
import { ClassifierProcess } from './classifier-process.js';

const HOST = 'neonsense';
/** The page's files; nothing else can be asked for. */
const PAGE = {
  '/': ['index.html', 'text/html'],
  '/app.js': ['app.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
};
/** It loads what is its own, shows photos opened as `blob:`, and connects to nothing. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const isOurs = (url) => URL.canParse(url) && new URL(url).protocol === 'app:' && new URL(url).host === HOST;
const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const classifier = new ClassifierProcess(pathOf('classifier.js'));

// A scheme of its own instead of file: the page can read no other file, and has an origin that permissions can name.
protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true } }]);

async function servePage({ url }) {
  const { pathname } = new URL(url);
  if (!isOurs(url) || !Object.hasOwn(PAGE, pathname)) return new Response(null, { status: 404 });
  const [file, type] = PAGE[pathname];
  return new Response(await readFile(pathOf(`page/${file}`)), {
    headers: { 'content-type': `${type}; charset=utf-8`, 'content-security-policy': CONTENT_SECURITY_POLICY },
  });
}

/** The camera, for our page alone; not the microphone, and nothing else. */
function permit(permission, url, kinds) {
  return isOurs(url) && permission === 'media' && kinds.every((kind) => kind === 'video');
}

function openWindow() {
  const window = new BrowserWindow({
    title: 'neonsense',
    width: 960,
    height: 760,
    minWidth: 360,
    minHeight: 480,
    show: false,
    webPreferences: { preload: pathOf('preload.cjs'), sandbox: true, contextIsolation: true, nodeIntegration: false },
  });
  const page = window.webContents;
  window.once('ready-to-show', () => window.show());
  // A file dropped beside the page's own place would be navigated to.
  page.on('will-navigate', (event) => event.preventDefault());
  page.setWindowOpenHandler(() => ({ action: 'deny' }));
  // Again after a reload: the page has lost its port.
  page.on('did-finish-load', () => classifier.connect(page));
  window.on('closed', () => classifier.disconnect());
  window.loadURL(`app://${HOST}/`);
}

app.on('window-all-closed', () => app.quit());
app.on('before-quit', (event) => {
  if (classifier.hasEnded) return;
  event.preventDefault();
  classifier.end().then(() => app.quit());
});

// Not `await` at the top: Electron is ready only when this module has been evaluated, so both would wait for ever.
app.whenReady().then(async () => {
  protocol.handle('app', servePage);
  session.defaultSession.setPermissionRequestHandler((_page, permission, answer, { requestingUrl, mediaTypes = [] }) =>
    answer(permit(permission, requestingUrl, mediaTypes)),
  );
  session.defaultSession.setPermissionCheckHandler((_page, permission, origin, { mediaType = 'video' }) =>
    permit(permission, origin, [mediaType]),
  );
  classifier.start();
  // Only macOS has to be asked as well; what it answers, the page hears when it asks for the camera.
  if (process.platform === 'darwin') await systemPreferences.askForMediaAccess('camera');
  openWindow();
});
