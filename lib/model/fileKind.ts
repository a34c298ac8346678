import { NeonsenseError, quoted } from '../errors.js';

/** As many leading bytes as {@link foreignFile} wants to see. */
export const HEAD_BYTES = 512;

/** How Keras' weights come here. */
const FROM_KERAS =
  "Save the weights by name in Python: numpy.savez('weights.npz', **{w.path: w.numpy() for w in model.weights})";

/** What well-known files that are no model read here begin with, and what to do about them. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file itself: run `git lfs pull`, or download the file'],
  [/^(\xef\xbb\xbf)?\s*<(!doctype html|html)/i, 'a web page: download the file itself (a link to the raw file)'],
  [/^(\xef\xbb\xbf)?\s*<(\?xml|[a-z])/i, 'an XML document, perhaps the error of a download server: download it again'],
  [/^\x1f\x8b/, 'a gzip archive: unpack it first (gunzip, or tar xzf)'],
  [/^BZh/, 'a bzip2 archive: unpack it first'],
  [/^\x28\xb5\x2f\xfd/, 'a Zstandard archive: unpack it first'],
  [/^\xfd7zXZ/, 'an xz archive: unpack it first'],
  [/^7z\xbc\xaf\x27\x1c/, 'a 7-Zip archive: unpack it first'],
  [/^Rar!/, 'a RAR archive: unpack it first'],
  [/^.{257}ustar/s, 'a tar archive: unpack it first'],
  [/^.{4}TFL3/s, 'a TensorFlow Lite model, which neonsense does not read'],
  [/^.{4}ET\d\d/s, 'an ExecuTorch program, which neonsense does not read'],
  [/^\x89HDF\r\n\x1a\n/, `an HDF5 file, such as Keras saves, which neonsense does not read. ${FROM_KERAS}`],
  [/^\x93NUMPY/, 'one NumPy array, not a network'],
  [/^GGUF/, 'a GGUF model, which neonsense does not read'],
  [/^7767517/, 'an ncnn network description, which neonsense does not read'],
  // ir_version, then producer_name, domain or the graph itself.
  [/^\x08[\x01-\x20](\x12.[\w .-]|\x1a|\x22|\x3a)/s, 'an ONNX model, which neonsense writes but does not read'],
  [/^(\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|.{4}ftyp)/s, 'a picture or video, not a model'],
  [/^%PDF/, 'a PDF document'],
  [/^(\x7fELF|MZ|\xcf\xfa\xed\xfe)/, 'a program or library'],
  [
    // A protocol, and the frame, global, mark or container that pickles begin with.
    /^\x80[\x02-\x05][\x95c(}\]\x8c)]/,
    'a bare pickle, which could run code when Python loads it. Load it in Python and save only the weights: ' +
      'torch.save(model.state_dict(), path)',
  ],
];

/**
 * The refusal of a file of another kind, by its first bytes.
 *
 * @param head The first {@link HEAD_BYTES} bytes, or all there are.
 */
export function foreignFile(head: Uint8Array, size: number): NeonsenseError {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, HEAD_BYTES)).toString('latin1');
  const expected = 'Expected a model: a .safetensors file, or a .pth or .pt file of PyTorch 1.6 or later. This one';
  return new NeonsenseError('ERR_MODEL_FORMAT', `${expected} ${kindOf(text, size)}`);
}

function kindOf(text: string, size: number): string {
  if (size === 0) return 'is empty (0 bytes)';
  const foreign = FOREIGN.find(([pattern]) => pattern.test(text));
  if (foreign !== undefined) return `is ${foreign[1]}`;
  if (/^\s*[{[]/.test(text) && isText(text)) {
    return `is JSON, perhaps the error of a download: it begins with ${quoted(text.trim(), 160)}`;
  }
  if (/^\0+$/.test(text)) return 'holds zeros: it was probably not downloaded to its end';
  if (isText(text)) return `is text: it begins with ${quoted(text.trim(), 80)}`;
  const start = Array.from(text.slice(0, 8), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join(' ');
  return `has ${size} bytes and begins with ${start}`;
}

function isText(text: string): boolean {
  return !/[^\t\n\r\x20-\x7e\x80-\xff]/.test(text);
}

/** What a zip archive without a checkpoint's pickle is, by the names in it. */
export function zipKind(names: readonly string[]): string {
  const has = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  if (has(/(^|\/)(archive_format|serialized_exported_program\.json|models\/\w+\.json)$/)) {
    return 'a program of torch.export (.pt2): save the state_dict instead, torch.save(model.state_dict(), path)';
  }
  if (has(/\.npy$/)) return 'NumPy arrays (.npz)';
  if (has(/(^|\/)model\.weights\.h5$/)) return `a Keras model (.keras). ${FROM_KERAS}`;
  if (has(/^word\/|^xl\/|^ppt\//)) return 'an office document';
  if (has(/\.(pth|pt|ckpt|safetensors)$/)) return 'an archive of model files: unpack it first';
  return names.length === 0 ? 'an empty zip archive' : `a zip archive of ${names.length} other files`;
}
