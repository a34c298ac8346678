import { existsSync, readFileSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { inSinglePrecision } from '../compress/quantize/fp16.js';
import { toInt8Dynamic } from '../compress/quantize/quantizeDynamic.js';
import { fileError, invalidArgument, NeonsenseError } from '../errors.js';
import { toOnnx } from '../model/export/onnx.js';
import { type ReadModelOptions, readCheckpointOrModel, writeModel } from '../model/files.js';
import type { Model } from '../model/model.js';
import { macsOf, networkOf } from '../model/network.js';
import { modelFile } from '../shipped/readModel.js';
import { shortNames } from './names.js';
import type { RunTrial } from './runTrial.js';

/**
 * What `--precision` takes. `fp32-sparse` runs the sparse kernels on an fp32 model, `fp16` computes it in half
 * precision; `int8-dynamic` quantizes every 1x1 convolution, `int8-dynamic-linear` the Linear layers only.
 */
export const BENCH_PRECISIONS = [
  'fp32',
  'fp32-sparse',
  'fp16',
  'int8-dynamic',
  'int8-dynamic-linear',
  'int8-static',
] as const;
export type BenchPrecision = (typeof BENCH_PRECISIONS)[number];

/** One engine with one file: what is measured at each number of threads and batch size. */
export interface Subject {
  /** `neonsense` or a peer's name. */
  readonly engine: string;
  /** Name of the file the caller gave, without the folders that do not tell it from the others. */
  readonly model: string;
  readonly precision: string;
  /** The file that is loaded, which may have been made from `model`. */
  readonly file: string;
  readonly fileBytes: number;
  readonly fp16: boolean;
  readonly sparse: boolean;
  /** File of the peer's module. */
  readonly module?: string;
  /** `[height, width]` of the input. */
  readonly size: readonly [number, number];
  /** Multiply-accumulates of each layer for one picture; absent for peers. */
  readonly macs?: ReadonlyMap<string, number>;
  /** How this subject's trials are run, where it is not by the benchmark's own process. */
  readonly run?: RunTrial;
}

const ONNX_INPUT_SIZE = [224, 224] as const;

/** A package that is measured beside ours. */
export interface Peer {
  /** The file to require. */
  readonly module: string;
  readonly version: string;
}

/**
 * Finds a package from a folder, `NODE_PATH` included.
 * @param folder the working directory when absent
 * @returns undefined when it is not installed
 */
export function findPeer(name: string, folder: string = process.cwd()): Peer | undefined {
  let module: string;
  try {
    module = createRequire(join(folder, 'here.js')).resolve(name);
  } catch {
    return undefined;
  }
  for (let parent = dirname(module); ; parent = dirname(parent)) {
    const file = join(parent, 'package.json');
    // Packages may have further package.json files inside that only say how their modules are to be read.
    if (existsSync(file)) {
      const about = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (about.name === name) return { module, version: about.version ?? 'unknown' };
    }
    if (parent === dirname(parent)) return { module, version: 'unknown' };
  }
}

/**
 * Lists what is to be measured and writes the files that takes: models converted to the precisions asked for, and their
 * ONNX counterparts for the peer.
 * @param files model files; a file that ends in `.onnx` is for the peer alone
 * @param options.precisions conversions of each model; the model as it is when absent
 * @param options.reading what the models do not say themselves
 * @param options.onnxRuntime onnxruntime-node, to measure it on the same weights
 * @param options.folder where converted files go
 * @throws {NeonsenseError} `ERR_UNSUPPORTED` when a model can't be brought to a precision or an ONNX file has no peer to run it
 */
export async function prepareSubjects(
  files: readonly string[],
  options: {
    readonly precisions?: readonly BenchPrecision[] | undefined;
    readonly reading?: ReadModelOptions | undefined;
    readonly onnxRuntime?: Peer | undefined;
    readonly folder: string;
  },
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  const { onnxRuntime, folder, reading = {} } = options;
  const shorten = shortNames(files);
  let made = 0;
  const fresh = (extension: string): string => join(folder, `${++made}${extension}`);
  for (const name of files) {
    if (extname(name) === '.onnx') {
      subjects.push(await onnxSubject(shorten(name), name, onnxRuntime, ONNX_INPUT_SIZE, 'onnx'));
      continue;
    }
    const source = modelFile(name);
    const model = await readCheckpointOrModel(source, reading);
    // The processes that measure read a file and are told nothing more.
    const saysAll = Object.keys(reading).length === 0;
    for (const precision of options.precisions ?? [undefined]) {
      const { converted, label } = convert(name, model, precision);
      let file = source;
      if (converted !== model || !saysAll) {
        file = fresh('.safetensors');
        await writeModel(converted, file);
      }
      subjects.push({
        engine: 'neonsense',
        model: shorten(name),
        precision: label,
        file,
        fileBytes: await fileSize(file),
        fp16: precision === 'fp16',
        sparse: precision === 'fp32-sparse',
        size: model.preprocessing.size,
        macs: macsOf(networkOf(model.architecture, model.preprocessing.size)),
      });
    }
    if (onnxRuntime !== undefined) {
      const file = fresh('.onnx');
      await writeFile(file, toOnnx(model));
      subjects.push(await onnxSubject(shorten(name), file, onnxRuntime, model.preprocessing.size, 'fp32'));
    }
  }
  return subjects;
}

async function onnxSubject(
  model: string,
  file: string,
  peer: Peer | undefined,
  size: readonly [number, number],
  precision: string,
): Promise<Subject> {
  if (peer === undefined) {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `${model} is an ONNX file, which only a peer can run: add --compare onnxruntime, with onnxruntime-node installed`,
    );
  }
  const fileBytes = await fileSize(file);
  const { module } = peer;
  return { engine: 'onnxruntime-node', model, precision, file, fileBytes, fp16: false, sparse: false, module, size };
}

async function fileSize(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw fileError(cause, `There is no model at ${file}`, `Can't read the model ${file}`);
  }
}

function convert(
  name: string,
  model: Model,
  precision: BenchPrecision | undefined,
): { converted: Model; label: string } {
  const own = labelOf(model);
  if (precision === undefined || precision === own) return { converted: model, label: own };
  if (!BENCH_PRECISIONS.includes(precision)) {
    throw invalidArgument('precision', `one of ${BENCH_PRECISIONS.join(', ')}`, precision);
  }
  if (precision === 'int8-static') {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `${name} is ${own}; int8-static needs calibration pictures: run \`neonsense compress --quantize static\` first ` +
        'and bench the file it writes',
    );
  }
  if (model.precision !== 'fp32' && model.precision !== 'fp16') {
    throw new NeonsenseError('ERR_UNSUPPORTED', `${name} is ${own}: only a float model can be run as ${precision}`);
  }
  const single = inSinglePrecision(model);
  if (precision === 'fp32') return { converted: single, label: precision };
  // Half-precision arithmetic and sparse kernels are options of the session, on the same file.
  if (precision === 'fp16' || precision === 'fp32-sparse') return { converted: single, label: precision };
  const scope = precision === 'int8-dynamic' ? 'all' : 'linear';
  return { converted: toInt8Dynamic(single, { scope }), label: precision };
}

function labelOf({ precision, quantization }: Model): BenchPrecision {
  return quantization?.mode === 'dynamic' && quantization.scope === 'linear' ? 'int8-dynamic-linear' : precision;
}
