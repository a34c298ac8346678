// What reads bytes from outside, each as a function of bytes. Whatever it is given it may only refuse: with an error of
// ours, in time, within the memory that its limits allow. test/hostile/corpus.test.ts replays the corpus with these.
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const lib = require('../../../dist/internal.cjs');

const folder = mkdtempSync(join(tmpdir(), 'neonsense-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Lets errors of ours pass; every other one is a finding. */
function refused(error) {
  if (!(error instanceof lib.NeonsenseError)) throw error;
  if (error.message.length > 4000) throw new Error(`a message of ${error.message.length} characters`);
}

const now = (read) => (data) => {
  try {
    read(data);
  } catch (error) {
    refused(error);
  }
};
const later = (read) => (data) => read(data).catch(refused);

/** Bytes as a file of this name, for what reads files. */
function file(name, data) {
  const path = join(folder, name);
  writeFileSync(path, data);
  return path;
}

/** The first byte says which document the rest is. */
const DOCUMENTS = [
  (text) => lib.checkManifest(JSON.parse(text), 'manifest.json'),
  (text) => lib.preprocessingFrom(JSON.parse(text), 'preprocessing'),
  (text, model) => lib.trainedRanges(JSON.parse(text), { ...model, name: 'options' }),
];

/** A network that ranges are held against. */
const shipped = lib.readModel(join(lib.packageRoot, 'models/household-int8-dynamic.safetensors'));

/** Files as an archive gives them, without the archive: `zip` is a target of its own. */
function entriesOf(files) {
  return new Map(Object.entries(files).map(([name, bytes]) => [name, { name, size: bytes.length, read: () => bytes }]));
}

/** What a checkpoint holds beside its pickle: storages of a few sizes. */
const BESIDE = {
  'archive/version': Buffer.from('3\n'),
  ...Object.fromEntries([1, 4, 8, 32, 864].map((size, i) => [`archive/data/${i}`, new Uint8Array(size)])),
};

/** Any file that readModel tells by its content. */
exports.model = later((data) => lib.readModel(data));
/** A safetensors header that is always reached: the length before it is made to fit. */
exports.safetensors = now((data) => {
  const length = Buffer.alloc(8);
  const end = data.indexOf(0);
  length.writeBigUInt64LE(BigInt(end < 0 ? data.length : end));
  const budget = new lib.Budget();
  const container = lib.parseSafetensors(Buffer.concat([length, data]), budget);
  if (lib.isModelFile(container)) lib.decodeModel(container, budget);
  else lib.modelFromStateDict(lib.stateDictFromTensors(container.tensors), [], budget);
});
exports.pickle = now((data) => lib.readPickle(data, lib.torchRules, new lib.Budget()));
exports.zip = now((data) => {
  for (const entry of lib.readZip(data, new lib.Budget()).values()) entry.read();
});
/** The pickle of a checkpoint. */
exports.torch = now((data) => lib.readTorchModel(entriesOf({ 'archive/data.pkl': data, ...BESIDE }), new lib.Budget()));
/** One array of NumPy's, under a name that is known and one that is not. */
exports.npz = now((data) => {
  lib.readNpz(entriesOf({ 'conv/kernel.npy': data, 'a.npy': data }), new lib.Budget());
});
exports.picture = now((data) => {
  lib.withEndMarker(data);
  if (data.length > 4 && (data[0] === 0x49 || data[0] === 0x4d)) lib.checkTiff(data, 'picture');
  lib.checkImageFormat(data.subarray(0, 512), 'picture');
});
/** The first byte cuts a data set off its labels. */
exports.dataset = later(async (data) => {
  const cut = Math.min(data.length, (data[0] ?? 0) * 13);
  const path = file('set.bin', data.subarray(cut));
  file('set_labels.bin', data.subarray(1, cut));
  const dataset = await lib.openDataset(path, { labels: ['clock', 'lamp', 'bed'], limit: 3 });
  for await (const { pixels, label } of dataset.images()) {
    if (pixels.data.length !== pixels.width * pixels.height * 3 || !(label >= 0 && label < 3)) throw new Error('shape');
  }
});
exports.remembered = later((data) => lib.readRemembered(file('remembered', data)));
exports.documents = later(async (data) => {
  const text = data.subarray(1).toString('utf8');
  try {
    JSON.parse(text);
  } catch {
    return;
  }
  DOCUMENTS[(data[0] ?? 0) % DOCUMENTS.length](text, await shipped);
});
/** Never an error: a file that can't be used is measured anew. */
exports.cache = async (data) => {
  const load = () => Promise.reject(new Error('nothing is loaded'));
  const candidate = { name: 'a', identity: 'b', sparse: false, consume: false, load };
  const options = { tolerance: 0.1, cache: file('measured.json', data), machine: async () => [] };
  const { variant } = await lib.chooseByMeasurement([candidate], { ...options, measure: async () => ({ a: 1 }) });
  if (variant !== 'a') throw new Error(`chose ${variant}`);
};
