import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  findPeer,
  inspectModel,
  type Model,
  NeonsenseError,
  type Peer,
  packageRoot,
  prepareSubjects,
  type RunTrial,
  readModel,
  type Subject,
  toOnnx,
  trialRunner,
} from '../../../lib/internal.js';
import { pythonTrials, runPython } from './python.js';

const here = join(packageRoot, 'scripts', 'measure', 'peers');
const bundles = join(packageRoot, 'build-peers');

/** A peer that runs in Python, as pythonPeers.json lists them: its program beside that file, and what it is given. */
interface PythonPeer {
  readonly engine: string;
  readonly program: string;
  /** Precisions that begin with `fp32` compute in float: their logits have to be ours. */
  readonly precisions: readonly string[];
  /** Those that only a CPU with half-precision arithmetic tells from float. */
  readonly arm64Precisions: readonly string[];
  /** What its own file is made from and how it ends; absent when it reads our float model. */
  readonly made?: { readonly from: 'onnx' | 'model'; readonly extension: string };
  readonly packages: string;
}

const PYTHON_PEERS = JSON.parse(readFileSync(join(here, 'pythonPeers.json'), 'utf8')) as readonly PythonPeer[];

/** A model with at least this share of zeros is also measured with the engine's sparse kernels. */
const SPARSE_FROM = 0.25;

/** What is measured, and what could not be. */
export interface Lineup {
  readonly subjects: readonly Subject[];
  /** Versions of the peers found, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** A line for each peer that is left out: why, and what would bring it in. */
  readonly missing: readonly string[];
}

export interface LineupOptions {
  /** Folder of our models. */
  readonly models: string;
  /** The float32 model whose weights the peers get. */
  readonly float: string;
  /** Folder whose node_modules has the JavaScript peers. */
  readonly modules: string;
  /** A Python with the peers' packages. */
  readonly python: string;
  /** Raw uint8 pictures for onnxruntime's static quantization. */
  readonly calibrate: string | undefined;
  /** Where files made for the peers go. */
  readonly folder: string;
}

/** Every engine and precision: ours first, its float model before all. */
export async function lineup(options: LineupOptions): Promise<Lineup> {
  const float = await readModel(options.float);
  if (float.precision !== 'fp32') {
    const received = `${options.float} is ${float.precision}`;
    throw new NeonsenseError('ERR_UNSUPPORTED', `--float: expected a float32 model but ${received}`);
  }
  const versions: Record<string, string> = {};
  const missing: string[] = [];
  const found = (name: string): Peer | undefined => {
    const peer = findPeer(name, options.modules);
    if (peer === undefined) missing.push(`${name}: run \`npm install ${name}\` in the folder named with --modules`);
    else versions[name] = peer.version;
    return peer;
  };
  /** A peer on the float model's weights: rows of one model name have their logits compared. */
  const peerSubject = (engine: string, precision: string, file: string, rest: Partial<Subject>): Subject => ({
    engine,
    model: basename(options.float),
    precision,
    file,
    fileBytes: sizeOf(file),
    fp16: false,
    sparse: false,
    size: float.preprocessing.size,
    ...rest,
  });

  const onnx = join(options.folder, 'fp32.onnx');
  writeFileSync(onnx, toOnnx(float));
  const peers: Subject[] = [];
  const node = found('onnxruntime-node');
  if (node !== undefined) {
    const { module } = node;
    peers.push(peerSubject('onnxruntime-node', 'fp32', onnx, { module }));
    const quantized = await quantizeOnnx(onnx, float, options);
    missing.push(...quantized.missing);
    for (const { precision, file } of quantized.files) {
      peers.push(peerSubject('onnxruntime-node', precision, file, { module }));
    }
  }
  const web = found('onnxruntime-web');
  if (web !== undefined) {
    const run = trialRunner(join(bundles, 'onnxruntimeWeb.mjs'));
    peers.push(peerSubject('onnxruntime-web', 'fp32', onnx, { module: web.module, run }));
  }
  const core = found('@tensorflow/tfjs-core');
  const wasm = found('@tensorflow/tfjs-backend-wasm');
  if (core !== undefined && wasm !== undefined) {
    const run = trialRunner(join(bundles, 'tfjsWasm.mjs'));
    peers.push(peerSubject('tfjs-backend-wasm', 'fp32', options.float, { module: wasm.module, run }));
  }
  for (const peer of PYTHON_PEERS) {
    try {
      const { found, trials } = await pythonSubjects(peer, options, onnx);
      for (const { precision, file, run } of trials) peers.push(peerSubject(peer.engine, precision, file, { run }));
      Object.assign(versions, found);
    } catch (error) {
      missing.push(
        `${peer.engine} (${messageOf(error)}): run \`pip install ${peer.packages}\`, name that Python with --python`,
      );
    }
  }
  return { subjects: [...(await ownSubjects(options, float.architecture.classes)), ...peers], versions, missing };
}

/** Makes the files of a peer and says what it measures, once its versions say that it is there. */
async function pythonSubjects(
  { program, precisions, arm64Precisions, made, engine }: PythonPeer,
  { float, python, folder }: LineupOptions,
  onnx: string,
): Promise<{ found: Record<string, string>; trials: { precision: string; file: string; run: RunTrial }[] }> {
  const path = join(here, program);
  const found = (await runPython(python, [path, 'versions'])) as Record<string, string>;
  const trials = [];
  for (const precision of [...precisions, ...(process.arch === 'arm64' ? arm64Precisions : [])]) {
    const file = made === undefined ? float : join(folder, `${engine}-${precision}${made.extension}`);
    if (made !== undefined)
      await runPython(python, [path, 'make', precision, made.from === 'onnx' ? onnx : float, file]);
    trials.push({ precision, file, run: pythonTrials(python, [path, 'trial', precision]) });
  }
  return { found, trials };
}

/**
 * Our models: the float one first, the others by name, pruned float ones with the sparse kernels too. Networks with
 * other outputs, such as those that give features, are no versions of it and left out.
 */
async function ownSubjects({ models, float, folder }: LineupOptions, outputs: number): Promise<Subject[]> {
  const others = readdirSync(models)
    .filter((name) => name.endsWith('.safetensors') && name !== basename(float))
    .sort()
    .map((name) => join(models, name));
  const subjects: Subject[] = [];
  for (const file of [float, ...others]) {
    const model = await readModel(file);
    if (model.architecture.classes !== outputs) continue;
    const [subject] = await prepareSubjects([file], { folder });
    subjects.push(subject!);
    const { precision, sparsity } = inspectModel(model);
    if (precision === 'fp32' && sparsity >= SPARSE_FROM) {
      subjects.push({ ...subject!, precision: 'fp32-sparse', sparse: true });
    }
  }
  return subjects;
}

/** onnxruntime's own INT8 models, made by its Python tools, as they come and with what keeps their accuracy. */
async function quantizeOnnx(
  onnx: string,
  float: Model,
  { python, calibrate, folder }: LineupOptions,
): Promise<{ files: { precision: string; file: string }[]; missing: string[] }> {
  const missing: string[] = [];
  const [width] = float.preprocessing.reduce;
  const program = join(here, 'quantize_onnx.py');
  const pictures = calibrate === undefined ? [] : ['--pictures', calibrate, '--side', String(width)];
  if (calibrate === undefined) missing.push('onnxruntime-node int8-static: name pictures with --calibrate TRAIN.bin');
  try {
    await runPython(python, [program, onnx, folder, ...pictures]);
  } catch (error) {
    missing.push(
      `onnxruntime-node int8 (${messageOf(error)}): run \`pip install onnxruntime onnx sympy numpy\` and name that ` +
        'Python with --python',
    );
    return { files: [], missing };
  }
  const made = ['dynamic', 'dynamic-keep', ...(calibrate === undefined ? [] : ['static', 'static-keep'])];
  return { files: made.map((name) => ({ precision: `int8-${name}`, file: join(folder, `${name}.onnx`) })), missing };
}

/** ncnn has its weights in a file of their own, beside that of the layers. */
function sizeOf(file: string): number {
  const weights = file.replace(/\.param$/, '.bin');
  return statSync(file).size + (weights === file ? 0 : statSync(weights).size);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
