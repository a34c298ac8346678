// The page: shows the camera or a photo, sends it to the classifier's port, and lays the label over it.

const at = (id) => document.getElementById(id);
const video = at('video');
const photo = at('photo');
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext('2d', { willReadFrequently: true });

let port;
/** Of the camera, while it is on. */
let stream;
/** What is shown, by number: an answer to anything before comes too late. */
let round = 0;
/** Where the camera's next frame is waited for. */
let nextFrame = 0;
let file;

function say(text, isWrong = false) {
  at('status').classList.toggle('wrong', isWrong);
  if (at('status').textContent !== text) at('status').textContent = text;
}

/** A new port comes with the page, and again when the classifier had to be started anew. */
addEventListener('message', ({ source, data, ports }) => {
  if (source !== window) return;
  if (data.kind === 'failed') return say(data.error, true);
  port = ports[0];
  port.onmessage = (message) => heard(message.data);
  if (stream !== undefined) startFrames();
  else if (file !== undefined) askPhoto();
});

function heard(message) {
  if (message.kind === 'failed') return stopCamera(message.error, true);
  if (message.round !== round) return;
  if (message.error !== undefined) return say(message.error, true);
  show(message);
  const ms = `${message.ms.toFixed(1)} ms`;
  at('speed').textContent = message.kind === 'frame' ? `${message.fps.toFixed(0)} a second, ${ms} each` : ms;
  if (message.kind === 'frame') askFrame();
}

function show({ predictions, rejected }) {
  const [first] = predictions;
  const [name, share] = at('label').children;
  name.textContent = rejected ? 'None of these, it seems' : first.label;
  share.textContent = rejected ? '' : percent(first.probability);
  at('label').hidden = false;
  say(rejected ? 'Nothing that the model knows.' : `It looks like: ${first.label}.`);
  at('answers').replaceChildren(
    ...predictions.map(({ label, probability }) => {
      const item = document.createElement('li');
      const text = document.createElement('span');
      text.textContent = label;
      item.append(text, percent(probability));
      item.style.setProperty('--share', percent(probability).replace(' ', ''));
      return item;
    }),
  );
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;

function clear() {
  at('hint').hidden = true;
  at('label').hidden = true;
  at('stage').classList.remove('empty');
  at('answers').replaceChildren();
  at('speed').textContent = '';
}

// Camera

const REASONS = {
  NotAllowedError: 'This app may not use the camera. The system’s settings can allow it.',
  NotFoundError: 'There is no camera.',
  NotReadableError: 'The camera does not answer. Does another program use it?',
};

async function startCamera() {
  const deviceId = at('cameras').value || undefined;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, deviceId } });
  } catch (error) {
    return say(REASONS[error.name] ?? `The camera can’t be used: ${error.message}`, true);
  }
  const [track] = stream.getVideoTracks();
  track.addEventListener('ended', () => stopCamera('The camera is gone.', true));
  forgetPhoto();
  clear();
  video.srcObject = stream;
  video.hidden = false;
  at('camera').firstChild.data = 'Stop the camera ';
  say('Looking …');
  await listCameras(track.getSettings().deviceId);
  await video.play().catch(() => {});
  startFrames();
}

function startFrames() {
  const [width, height] = [video.videoWidth, video.videoHeight];
  if (port === undefined || width === 0) return;
  Object.assign(canvas, { width, height });
  port.postMessage({ kind: 'start', round: ++round, width, height });
  askFrame();
}
// The first frame, and a device that was turned.
video.addEventListener('resize', () => stream !== undefined && startFrames());

/** One frame is on its way at most. The next is taken when its answer is there, so it is the newest. */
function askFrame() {
  video.cancelVideoFrameCallback(nextFrame);
  nextFrame = video.requestVideoFrameCallback(() => {
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    // No list of what to transfer: from a page to another process Electron loses a message whose buffer is transferred
    // (electron#34905), and between processes bytes are copied anyway, once, into memory that both see.
    port.postMessage({ kind: 'frame', data: new Uint8Array(data.buffer) });
  });
}

function stopCamera(text = 'The camera is off.', isWrong = false) {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = undefined;
  round++;
  video.cancelVideoFrameCallback(nextFrame);
  port?.postMessage({ kind: 'stop' });
  video.srcObject = null;
  video.hidden = true;
  clear();
  at('hint').hidden = false;
  at('stage').classList.add('empty');
  at('camera').firstChild.data = 'Start the camera ';
  say(text, isWrong);
}

/** A choice only where there is one. Names are known once a camera was allowed. */
async function listCameras(used) {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
  at('which').hidden = cameras.length < 2;
  at('cameras').replaceChildren(
    ...cameras.map(({ label, deviceId }, index) => {
      return new Option(label || `Camera ${index + 1}`, deviceId, false, deviceId === used);
    }),
  );
}

at('cameras').addEventListener('change', () => {
  stopCamera();
  startCamera();
});
at('camera').addEventListener('click', () => (stream === undefined ? startCamera() : stopCamera()));

// Photos

/** The file as it is: decoding happens in the other process. The picture shown is the browser's, turned as EXIF says. */
function openPhoto(chosen) {
  if (stream !== undefined) stopCamera();
  forgetPhoto();
  clear();
  file = chosen;
  photo.src = URL.createObjectURL(chosen);
  photo.alt = chosen.name;
  photo.hidden = false;
  say('Looking …');
  askPhoto();
}

async function askPhoto() {
  const mine = ++round;
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (mine === round) port?.postMessage({ kind: 'photo', round, bytes });
  } catch (error) {
    say(`The photo can’t be read: ${error.message}`, true);
  }
}

function forgetPhoto() {
  file = undefined;
  if (photo.src !== '') URL.revokeObjectURL(photo.src);
  photo.removeAttribute('src');
  photo.hidden = true;
}

// What the browser can't show, TIFF for example, the classifier may still read.
photo.addEventListener('error', () => (photo.hidden = true));
at('open').addEventListener('click', () => at('file').click());
at('file').addEventListener('change', () => {
  const [chosen] = at('file').files;
  if (chosen !== undefined) openPhoto(chosen);
  // So that the same file may be chosen again.
  at('file').value = '';
});

// The whole window takes what is dropped.
addEventListener('dragover', (event) => {
  event.preventDefault();
  at('stage').classList.add('over');
});
addEventListener('dragleave', () => at('stage').classList.remove('over'));
addEventListener('drop', (event) => {
  event.preventDefault();
  at('stage').classList.remove('over');
  const [dropped] = event.dataTransfer.files;
  if (dropped !== undefined) openPhoto(dropped);
});

addEventListener('keydown', ({ key, ctrlKey, metaKey, altKey, target }) => {
  if (ctrlKey || metaKey || altKey || target.matches('select, input')) return;
  if (key.toLowerCase() === 'c') at('camera').click();
  if (key.toLowerCase() === 'o') at('open').click();
});
