// The live page: pictures and camera frames go to this server and nowhere else.

/** Samples that a plot shows. */
const PLOTTED = 60;
/** Longer side of the frames that are sent; the network sees 224 pixels. */
const FRAME_SIDE = 320;
const NONE = '';

const at = (id) => document.getElementById(id);
const stage = at('stage');
const picture = at('picture');
const camera = at('camera');
const selects = [at('first'), at('second')];
const lists = [at('first-labels'), at('second-labels')];

const latencies = [];
const rates = [];
let stream;
let current;
/** What the server watches, its name and the connection that brings its results. */
let watched;
let watching;

function say(text) {
  at('status').textContent = text;
}

async function loadModels() {
  const answer = await fetch('/v2/models');
  const { models } = await answer.json();
  for (const [index, select] of selects.entries()) {
    if (index === 1) select.append(new Option('no second model', NONE));
    for (const { name } of models) select.append(new Option(name, name));
    select.addEventListener('change', () => current !== undefined && show(current));
  }
}

/** What each chosen model says of a picture; undefined for a second model that was not chosen. */
async function ask(blob) {
  return await Promise.all(
    selects.map(async (select) => {
      if (select.value === NONE) return undefined;
      const query = new URLSearchParams({ model: select.value });
      if (at('show-why').checked) query.set('why', '1');
      const answer = await fetch(`/v1/classify?${query}`, {
        method: 'POST',
        headers: { 'content-type': blob.type || 'image/jpeg' },
        body: blob,
      });
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error);
      return body;
    }),
  );
}

async function show(blob, { live = false } = {}) {
  current = blob;
  try {
    const answers = await ask(blob);
    for (const [index, answer] of answers.entries()) showLabels(lists[index], answer);
    const [first] = answers;
    add(latencies, first.ms.inference);
    at('latency').textContent = `${first.ms.inference.toFixed(1)} ms`;
    plot(at('latency-plot'), latencies);
    showWhy(first.activation);
    if (!live) say(`${first.predictions[0].label}, answered by ${first.model}.`);
  } catch (error) {
    say(error.message);
  }
}

function showLabels(list, answer) {
  list.replaceChildren();
  if (answer === undefined) return;
  if (answer.rejected) list.append(row('None of these, it seems', undefined, 'rejected'));
  for (const { label, probability } of answer.predictions) list.append(row(label, probability));
}

function row(label, probability, kind) {
  const item = document.createElement('li');
  item.className = kind ?? '';
  const name = document.createElement('span');
  name.textContent = label;
  item.append(name);
  if (probability !== undefined) {
    const share = document.createElement('span');
    share.textContent = `${(100 * probability).toFixed(1)} %`;
    item.append(share);
    item.style.setProperty('--share', `${(100 * probability).toFixed(1)}%`);
  }
  return item;
}

/** Lays the map of what the first label rests on over the picture. */
function showWhy(activation) {
  const canvas = at('why');
  canvas.hidden = activation === undefined;
  if (activation === undefined) return;
  const { width, height, values } = activation;
  const largest = Math.max(1e-9, ...values);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  values.forEach((value, index) => {
    const share = Math.max(0, value / largest);
    image.data.set([255, Math.round(200 * (1 - share)), 0, Math.round(255 * share)], 4 * index);
  });
  context.putImageData(image, 0, 0);
  const shown = stream === undefined ? picture : camera;
  const [w, h] = [shown.naturalWidth || shown.videoWidth, shown.naturalHeight || shown.videoHeight];
  const scale = Math.min(shown.clientWidth / w, shown.clientHeight / h);
  canvas.style.width = `${w * scale}px`;
  canvas.style.height = `${h * scale}px`;
}

function add(samples, value) {
  samples.push(value);
  if (samples.length > PLOTTED) samples.shift();
}

/** A line from 0 to the largest sample. */
function plot(svg, samples) {
  const largest = Math.max(1e-9, ...samples);
  const points = samples.map((value, index) => {
    return `${(300 * index) / (PLOTTED - 1)},${58 - (56 * value) / largest}`;
  });
  svg.innerHTML = `<polyline points="${points.join(' ')}" />`;
}

/** Shows what `neonsense watch --serve` sees: pictures and results come from the server. */
function startWatching() {
  stopCamera();
  current = undefined;
  picture.src = '/v1/watch/pictures';
  picture.alt = watched;
  picture.hidden = false;
  at('hint').hidden = true;
  at('why').hidden = true;
  at('watch').hidden = true;
  lists[1].replaceChildren();
  watching = new EventSource('/v1/watch/results');
  let rated = 0;
  watching.addEventListener('message', ({ data }) => {
    const result = JSON.parse(data);
    if (result.error !== undefined) return say(result.error);
    showLabels(lists[0], result);
    add(latencies, result.latencyMs);
    at('latency').textContent = `${result.latencyMs.toFixed(1)} ms from frame to label`;
    plot(at('latency-plot'), latencies);
    if (result.timeMs - rated < 1000) return;
    rated = result.timeMs;
    add(rates, result.fps);
    at('fps').textContent = `${result.fps.toFixed(1)} a second, ${result.dropped} dropped`;
    plot(at('fps-plot'), rates);
  });
  watching.addEventListener('error', () => {
    stopWatching();
    say(`${watched} has ended.`);
  });
  say(`This is ${watched}.`);
}

function stopWatching() {
  if (watching === undefined) return;
  watching.close();
  watching = undefined;
  // Ends the picture's connection too.
  picture.removeAttribute('src');
  picture.hidden = true;
  at('hint').hidden = false;
  at('watch').hidden = false;
}

/** What boards have measured, side by side: a row for each combination, a column for each board. */
async function showBoards() {
  const { boards } = await (await fetch('/v1/lab')).json();
  if (boards.length === 0) return;
  const cell = (kind, text, scope) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (scope !== undefined) made.scope = scope;
    return made;
  };
  const keyOf = ({ engine, model, precision, threads, batch }) =>
    [engine, model, precision, `${threads} threads`, ...(batch === 1 ? [] : [`batch ${batch}`])].join(', ');
  const keys = [...new Set(boards.flatMap(({ rows }) => rows.map(keyOf)))];
  const head = document.createElement('tr');
  head.append(cell('th', 'Measured', 'col'));
  for (const { board, cpu, date } of boards) {
    const title = cell('th', board, 'col');
    title.title = `${cpu}, ${date.slice(0, 10)}`;
    head.append(title);
  }
  const rows = keys.map((key) => {
    const row = document.createElement('tr');
    row.append(cell('th', key, 'row'));
    for (const board of boards) {
      const found = board.rows.find((each) => keyOf(each) === key);
      row.append(cell('td', found === undefined ? '' : `${found.medianMs.toFixed(2)} (${found.minMs.toFixed(2)})`));
    }
    return row;
  });
  at('boards-table').append(head, ...rows);
  at('boards').hidden = false;
  // It scrolls where there are many boards, also with the keyboard.
  at('boards').tabIndex = 0;
}

async function openPicture(file) {
  if (file === undefined) return;
  stopCamera();
  stopWatching();
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  picture.alt = file.name ?? 'the picture';
  picture.hidden = false;
  at('hint').hidden = true;
  say('Looking.');
  await Promise.all([picture.decode().catch(() => undefined), show(file)]);
}

async function startCamera() {
  stopWatching();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' }, audio: false });
  } catch (error) {
    say(`The camera can't be used: ${error.message}`);
    return;
  }
  camera.srcObject = stream;
  await camera.play();
  camera.hidden = false;
  picture.hidden = true;
  at('hint').hidden = true;
  at('start').hidden = true;
  at('stop').hidden = false;
  at('stop').focus();
  say('The camera is running.');
  await classifyFrames(stream);
}

function stopCamera() {
  if (stream === undefined) return;
  for (const track of stream.getTracks()) track.stop();
  stream = undefined;
  camera.hidden = true;
  at('hint').hidden = false;
  at('start').hidden = false;
  at('stop').hidden = true;
  at('start').focus();
  say('The camera is off.');
}

/** One frame after the other: the next is taken when the last one was answered, so none ever waits. */
async function classifyFrames(own) {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  let since = performance.now();
  let frames = 0;
  while (stream === own) {
    const scale = FRAME_SIDE / Math.max(camera.videoWidth, camera.videoHeight, 1);
    canvas.width = Math.max(1, Math.round(camera.videoWidth * scale));
    canvas.height = Math.max(1, Math.round(camera.videoHeight * scale));
    context.drawImage(camera, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.9));
    await show(blob, { live: true });
    frames++;
    const now = performance.now();
    if (now - since >= 1000) {
      const rate = (1000 * frames) / (now - since);
      add(rates, rate);
      at('fps').textContent = `${rate.toFixed(1)} a second`;
      plot(at('fps-plot'), rates);
      since = now;
      frames = 0;
    }
  }
}

at('file').addEventListener('change', ({ target }) => openPicture(target.files[0]));
at('start').addEventListener('click', startCamera);
at('stop').addEventListener('click', stopCamera);
at('show-why').addEventListener('change', () => current !== undefined && show(current));
for (const type of ['dragover', 'dragleave', 'drop']) {
  stage.addEventListener(type, (event) => {
    event.preventDefault();
    stage.classList.toggle('over', type === 'dragover');
    if (type === 'drop') openPicture(event.dataTransfer.files[0]);
  });
}
at('watch').addEventListener('click', startWatching);
await loadModels();
await showBoards();
({ source: watched } = await (await fetch('/v1/watch')).json());
if (watched !== null) startWatching();
