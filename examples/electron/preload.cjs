// All that the page gets from Electron: a port to the classifier. Ports can't go through contextBridge; a message to the
// window can carry them. CommonJS, because a sandboxed preload has to be.
const { ipcRenderer } = require('electron');

ipcRenderer.on('classifier', ({ ports }) => window.postMessage({ kind: 'classifier' }, location.origin, ports));
ipcRenderer.on('failed', (_event, error) => window.postMessage({ kind: 'failed', error }, location.origin));
