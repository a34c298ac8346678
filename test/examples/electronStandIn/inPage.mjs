/**
 * Run in the page before its own scripts: the preload script, and the page's ends of ports. Self-contained, as its text is
 * sent to the page.
 *
 * @param preload the script, which asks for `require`
 */
export function installInPage(preload) {
  const listeners = new Map();
  const ends = new Map();
  const send = MessagePort.prototype.postMessage;

  // What Electron does: a message from a page to another process arrives without its data when a buffer is transferred
  // with it (https://github.com/electron/electron/issues/34905).
  MessagePort.prototype.postMessage = function (message, options) {
    const transferred = Array.isArray(options) ? options : (options?.transfer ?? []);
    const isLost = transferred.some((each) => each instanceof ArrayBuffer);
    for (const buffer of transferred)
      if (buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] });
    send.call(this, isLost ? undefined : message);
  };

  const encoded = (message) =>
    JSON.stringify(message, (_, value) => {
      if (!(value instanceof Uint8Array)) return value;
      let text = '';
      for (let at = 0; at < value.length; at += 32768) text += String.fromCharCode(...value.subarray(at, at + 32768));
      return { base64: btoa(text) };
    });

  globalThis.standIn = {
    post(channel, message, ids) {
      const ports = ids.map((id) => {
        const { port1, port2 } = new MessageChannel();
        ends.set(id, port2);
        port2.onmessage = ({ data }) => globalThis.standInSend(id, encoded(data));
        return port1;
      });
      listeners.get(channel)?.({ ports }, message);
    },
    deliver: (id, data) => send.call(ends.get(id), data),
  };
  preload(() => ({ ipcRenderer: { on: (channel, listener) => listeners.set(channel, listener) } }));
}
