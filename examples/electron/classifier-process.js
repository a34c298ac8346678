// Runs in a utility process: pixels come in, predictions go out. The classifier is loaded once and kept.
import { Classifier } from 'neonsense';

const loading = Classifier.load();
// A failure is reported with the first picture, not as an unhandled rejection before.
loading.catch(() => {});

process.parentPort.on('message', async ({ data: pixels }) => {
  try {
    const { predictions } = await (await loading).classify(pixels);
    process.parentPort.postMessage({ predictions });
  } catch (error) {
    process.parentPort.postMessage({ error: String(error) });
  }
});
