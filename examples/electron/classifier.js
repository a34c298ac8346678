// Runs in a utility process, for as long as the app does: one classifier that is loaded once. Frames and photos come in
// through the page's port, labels go out. Nothing of this holds up a window, and a crash here ends no app.

import { Classifier } from 'neonsense';

const loading = Classifier.load();
// A failure is told to the page with its first question, not as an unhandled rejection before.
loading.catch(() => {});

process.parentPort.on('message', async ({ data, ports: [port] }) => {
  if (data === 'page') answer(port);
  if (data !== 'end') return;
  await loading.then((classifier) => classifier.dispose()).catch(() => {});
  process.exit(0);
});

/** Answers a page until it closes its port. */
function answer(port) {
  let camera;
  const handle = {
    start({ round, width, height }) {
      camera?.end();
      camera = new Camera(port, round, { width, height });
    },
    frame({ data }) {
      camera?.put(data);
    },
    stop() {
      camera?.end();
      camera = undefined;
    },
    // Bytes of a file, not pixels: the decoder here turns photos as their EXIF data say, and reads no more of a large
    // JPEG than the network needs. Electron's nativeImage ignores the orientation.
    async photo({ round, bytes }) {
      try {
        const { predictions, rejected, ms } = await (await loading).classify(bytes);
        tell(port, { kind: 'photo', round, predictions, rejected, ms: ms.decode + ms.preprocess + ms.inference });
      } catch (error) {
        port.postMessage({ kind: 'photo', round, error: error.message });
      }
    },
  };
  port.on('message', ({ data }) => handle[data.kind](data));
  port.on('close', () => handle.stop());
  port.start();
}

let hasAnswered = false;

function tell(port, message) {
  port.postMessage(message);
  if (!hasAnswered) process.parentPort.postMessage('answered');
  hasAnswered = true;
}

/** A camera's frames as a stream, which steadies their labels: one by itself would flicker between two classes. */
class Camera {
  #pending;
  #wake;
  #hasEnded = false;

  /** @param round  number of the page's question, which answers repeat */
  constructor(port, round, shape) {
    this.#run(port, round, shape).catch((error) => port.postMessage({ kind: 'failed', error: error.message }));
  }

  put(data) {
    this.#pending = data;
    this.#wake?.();
  }

  end() {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async #run(port, round, { width, height }) {
    const options = { format: 'rgba', width, height, smooth: true, topK: 3 };
    for await (const result of (await loading).stream(this.#frames(), options)) {
      if (this.#hasEnded) return;
      const { predictions, rejected, fps, latencyMs } = result;
      tell(port, { kind: 'frame', round, predictions, rejected, fps, ms: latencyMs });
    }
  }

  async *#frames() {
    while (!this.#hasEnded) {
      if (this.#pending === undefined) await new Promise((resolve) => (this.#wake = resolve));
      const frame = this.#pending;
      this.#pending = undefined;
      if (frame !== undefined) yield frame;
    }
  }
}
