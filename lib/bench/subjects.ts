import { stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { quantizeDynamic } from '../compress/quantizeDynamic.js';
import { NeonsenseError, invalidArgument } from '../errors.js';
import { readModel, writeModel } from '../model/format.js';
import { lower } from '../model/lower.js';
import type { Model } from '../model/model.js';
import { toOnnx } from '../model/onnx.js';
import type { Plan } from '../model/plan.js';
import type { Engine } from './trialSpec.js';

/**
 * What `--precision` takes. `fp32-sparse` runs the sparse kernels on an fp32 model, `fp16` computes it in half
 * precision; `int8-dynamic` quantizes every 1x1 convolution, `int8-dynamic-linear` the Linear layers only.
 */
export const BENCH_PRECISIONS = [
  'fp32', 'fp32-sparse', 'fp16', 'int8-dynamic', 'int8-dynamic-linear', 'int8-static',
] as const;
export type BenchPrecision = (typeof BENCH_PRECISIONS)[number];

/** One engine with one file: what is measured at each number of threads and batch size. */
export interface Subject {
  readonly engine: Engine;
  /** The file as the caller named it. */
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
  /** What our engine is given; absent for peers. */
  readonly plan?: Plan;
}

const ONNX_INPUT_SIZE = [224, 224] as const;

/**
 * Finds a package from the working directory, `NODE_PATH` included.
 * @returns the file to require, or undefined when it is not installed
 */
export function findPeer(name: string): string | undefined {
  try {
    return createRequire(join(process.cwd(), 'here.js')).resolve(name);
  } catch {
    return undefined;
  }
}

/**
 * Lists what is to be measured and writes the files that takes: models converted to the precisions asked for, and their
 * ONNX counterparts for the peer.
 * @param files model files; a file that ends in `.onnx` is for the peer alone
 * @param options.precisions conversions of each model; the model as it is when absent
 * @param options.onnxRuntime file of onnxruntime-node's module, to measure it on the same weights
 * @param options.folder where converted files go
 * @throws ERR_UNSUPPORTED when a model can't be brought to a precision or an ONNX file has no peer to run it
 */
export async function prepareSubjects(
  files: readonly string[],
  options: {
    readonly precisions?: readonly BenchPrecision[] | undefined;
    readonly onnxRuntime?: string | undefined;
    readonly folder: string;
  },
): Promise<Subject[]> {
  const subjects: Subject[] = [];
  const { onnxRuntime, folder } = options;
  let made = 0;
  const fresh = (extension: string): string => join(folder, `${(made += 1)}${extension}`);
  for (const name of files) {
    if (extname(name) === '.onnx') {
      subjects.push(await onnxSubject(name, name, onnxRuntime, ONNX_INPUT_SIZE, 'onnx'));
      continue;
    }
    const model = await readModel(name);
    for (const precision of options.precisions ?? [undefined]) {
      const { converted, label } = convert(name, model, precision);
      let file = name;
      if (converted !== model) {
        file = fresh('.safetensors');
        await writeModel(converted, file);
      }
      subjects.push({
        engine: 'neonsense',
        model: name,
        precision: label,
        file,
        fileBytes: await fileSize(file),
        fp16: precision === 'fp16',
        sparse: precision === 'fp32-sparse',
        size: model.preprocessing.size,
        plan: lower(converted),
      });
    }
    if (onnxRuntime !== undefined) {
      const file = fresh('.onnx');
      await writeFile(file, toOnnx(model));
      subjects.push(await onnxSubject(name, file, onnxRuntime, model.preprocessing.size, 'fp32'));
    }
  }
  return subjects;
}

async function onnxSubject(
  model: string,
  file: string,
  module: string | undefined,
  size: readonly [number, number],
  precision: string,
): Promise<Subject> {
  if (module === undefined) {
    throw new NeonsenseError(
      'ERR_UNSUPPORTED',
      `${model} is an ONNX file, which only a peer can run: add --compare onnxruntime, with onnxruntime-node installed`,
    );
  }
  const fileBytes = await fileSize(file);
  return { engine: 'onnxruntime-node', model, precision, file, fileBytes, fp16: false, sparse: false, module, size };
}

async function fileSize(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    throw new NeonsenseError('ERR_NOT_FOUND', `There is no model at ${file}`, { cause });
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
  if (model.precision !== 'fp32') {
    throw new NeonsenseError('ERR_UNSUPPORTED', `${name} is ${own}: only an fp32 model can be run as ${precision}`);
  }
  // Half-precision arithmetic and sparse kernels are options of the session, on the same file.
  if (precision === 'fp16' || precision === 'fp32-sparse') return { converted: model, label: precision };
  const scope = precision === 'int8-dynamic' ? 'all' : 'linear';
  return { converted: quantizeDynamic(model, { scope }), label: precision };
}

function labelOf({ precision, quantization }: Model): BenchPrecision {
  return quantization?.mode === 'dynamic' && quantization.scope === 'linear' ? 'int8-dynamic-linear' : precision;
}
