// Labels a picture twice: here in the main process, and in a process of its own.
//
//   npm start                          asks for a picture and shows its labels
//   npx electron . --check PICTURE     prints both labels and ends; with exit code 1 where they differ

import { fileURLToPath } from 'node:url';
import { app, dialog, nativeImage, utilityProcess } from 'electron';
import { Classifier } from 'neonsense';

/** Electron decodes JPEG and PNG itself, so sharp is not needed. Its bitmaps are blue, green, red, alpha. */
function pixelsOf(file) {
  const image = nativeImage.createFromPath(file);
  if (image.isEmpty()) throw new Error(`${file} is not a picture that Electron can read`);
  return { data: new Uint8Array(image.toBitmap()), ...image.getSize(), channels: 4, order: 'bgr' };
}

/** Inference leaves the main thread, loading and preprocessing do not. Good for a picture now and then. */
async function classifyHere(pixels) {
  const classifier = await Classifier.load();
  try {
    return (await classifier.classify(pixels)).predictions;
  } finally {
    await classifier.dispose();
  }
}

/** Nothing of this runs in the main process, and a crash would not take the app with it. Good for a camera's frames. */
function classifyApart(pixels) {
  return new Promise((resolve, reject) => {
    const child = utilityProcess.fork(fileURLToPath(new URL('classifier-process.js', import.meta.url)));
    child.once('message', ({ predictions, error }) => {
      child.kill();
      if (error === undefined) resolve(predictions);
      else reject(new Error(error));
    });
    child.once('exit', (code) => reject(new Error(`the classifier process ended with ${code}`)));
    child.postMessage(pixels);
  });
}

async function check(file) {
  const pixels = pixelsOf(file);
  const [here] = await classifyHere(pixels);
  const [apart] = await classifyApart(pixels);
  console.log(`main process: ${here.label}\nutility process: ${apart.label}`);
  return here.label === apart.label ? 0 : 1;
}

async function ask() {
  const filters = [{ name: 'Pictures', extensions: ['jpg', 'jpeg', 'png'] }];
  const { filePaths } = await dialog.showOpenDialog({ filters });
  if (filePaths.length === 0) return;
  const predictions = await classifyApart(pixelsOf(filePaths[0]));
  const lines = predictions.map(({ label, probability }) => `${label}  ${(100 * probability).toFixed(1)} %`);
  await dialog.showMessageBox({ message: predictions[0].label, detail: lines.join('\n') });
}

async function run() {
  const position = process.argv.indexOf('--check');
  try {
    app.exit(position === -1 ? (await ask(), 0) : await check(process.argv[position + 1]));
  } catch (error) {
    console.error(error);
    if (position === -1) dialog.showErrorBox('neonsense', String(error));
    app.exit(1);
  }
}

// Not `await` at the top: Electron is ready only when this module has been evaluated, so both would wait for ever.
app.whenReady().then(run);
