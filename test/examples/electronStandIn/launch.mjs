// Starts an app:  node launch.mjs MAIN. Exit code 13 where main waits for `ready` before it has been evaluated, where
// Electron would hang.
import { pathToFileURL } from 'node:url';

const [main] = process.argv.splice(2, 1);
await import(pathToFileURL(main).href);
process.emit('main module evaluated');
