// `process.parentPort` and ports in a utility process, over the channel of a child process.
import { EventEmitter } from 'node:events';

const ports = new Map();

class Port extends EventEmitter {
  #waiting = [];
  #id;

  constructor(id) {
    super();
    this.#id = id;
    ports.set(id, this);
  }

  start() {
    for (const data of this.#waiting ?? []) this.emit('message', { data });
    this.#waiting = undefined;
  }

  received(data) {
    if (this.#waiting === undefined) this.emit('message', { data });
    else this.#waiting.push(data);
  }

  postMessage(data) {
    process.send({ port: this.#id, data });
  }
}

const parentPort = Object.assign(new EventEmitter(), { postMessage: (message) => process.send({ message }) });
// Messages wait until somebody listens.
parentPort.once('newListener', () =>
  process.on('message', ({ message, ports: ids = [], port, data }) => {
    if (port === undefined) parentPort.emit('message', { data: message, ports: ids.map((id) => new Port(id)) });
    else ports.get(port)?.received(data);
  }),
);
process.parentPort = parentPort;
