// The utility process, seen from the main process: started once, started anew should it crash, ended with the app. Each
// page gets a port of its own that leads there.

import { MessageChannelMain, utilityProcess } from 'electron';

/** Milliseconds to end by itself; and from a crash to the next start. */
const PATIENCE = 3000;
const PAUSE = 500;
/** Crashes without an answer in between after which starting again makes no sense. */
const ATTEMPTS = 3;

export class ClassifierProcess {
  #file;
  #child;
  #page;
  #crashes = 0;
  hasEnded = false;

  /** @param {string} file  its program */
  constructor(file) {
    this.#file = file;
  }

  start() {
    const child = utilityProcess.fork(this.#file, [], { serviceName: 'neonsense classifier' });
    this.#child = child;
    // It says so when it has classified something: what comes after is another fault, not the same again.
    child.on('message', () => (this.#crashes = 0));
    child.on('exit', (code) => {
      this.#child = undefined;
      if (!this.hasEnded) this.#crashed(code);
    });
    if (this.#page !== undefined) this.connect(this.#page);
  }

  /** Gives a page and the process the two ends of a channel. Pictures and labels then pass the main process by. */
  connect(page) {
    this.#page = page;
    if (this.#child === undefined) return;
    const { port1, port2 } = new MessageChannelMain();
    this.#child.postMessage('page', [port1]);
    page.postMessage('classifier', null, [port2]);
  }

  disconnect() {
    this.#page = undefined;
  }

  /** Lets it free its memory and end; kills it where it does not. */
  async end() {
    this.hasEnded = true;
    const child = this.#child;
    if (child === undefined) return;
    await new Promise((resolve) => {
      const timer = setTimeout(() => child.kill(), PATIENCE);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.postMessage('end');
    });
  }

  #crashed(code) {
    this.#crashes++;
    if (this.#crashes < ATTEMPTS) setTimeout(() => this.hasEnded || this.start(), PAUSE);
    else this.#page?.postMessage('failed', `The classifier ended ${ATTEMPTS} times, the last time with code ${code}.`);
  }
}
