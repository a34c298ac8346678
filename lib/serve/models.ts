import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { Classifier } from '../classify/classifier.js';
import { Explainer } from '../classify/explain.js';
import { invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { type ReadModelOptions, readCheckpointOrModel } from '../model/files.js';
import type { Model } from '../model/model.js';
import { createSession, type Session } from '../runtime/session.js';

/** A model that is ready to answer: one session, which takes pictures through the classifier and tensors directly. */
export interface ServedModel {
  /** What requests call it: the file's name without its ending. */
  readonly name: string;
  readonly file: string;
  readonly model: Omit<Model, 'layers'>;
  readonly classifier: Classifier;
  readonly session: Pick<Session, 'run'>;
  /** Says where in a picture the evidence lies; made when it is first asked for, since it holds the weights again. */
  explainer(): Promise<Explainer>;
  /** Waits for what is under way, then frees the memory. */
  dispose(): Promise<void>;
}

/** Ends of files that are taken for models in a folder. */
const MODEL_FILE = /\.(safetensors|pth|pt|ckpt)$/;

/**
 * Loads the models at `paths`, each a file or a folder of files, in order; of a folder those it lists by name, without
 * networks that have no classifier and so nothing to answer.
 *
 * @param threads threads of each session; undefined leaves it to the session
 * @param reading what the models do not say themselves
 * @throws {NeonsenseError} `ERR_NOT_FOUND` for a path or a folder without models, `ERR_INVALID_ARGUMENT` when two models
 * would have one name, `ERR_UNSUPPORTED` for a file whose network has no classifier, what `readModel` and
 * `createSession` throw
 */
export async function loadServedModels(
  paths: readonly string[],
  threads?: number,
  reading: ReadModelOptions = {},
): Promise<ServedModel[]> {
  const models: ServedModel[] = [];
  try {
    for (const file of (await Promise.all(paths.map(modelFiles))).flat()) {
      const name = basename(file, extname(file));
      const twin = models.find((loaded) => loaded.name === name);
      if (twin !== undefined) {
        throw invalidArgument('models', `files with different names (${shortened(twin.file)} is there already)`, file);
      }
      const read = (): Promise<Model> => readCheckpointOrModel(file, reading);
      const model = await read();
      if (model.architecture.classes > 0) models.push(await serveModel(model, file, name, threads, read));
      else if (paths.includes(file)) throw nothingToAnswer(file);
    }
    return models;
  } catch (error) {
    await Promise.allSettled(models.map((model) => model.dispose()));
    throw error;
  }
}

function nothingToAnswer(file: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_UNSUPPORTED',
    `The network of ${shortened(file)} has no classifier, it only gives features: teach it classes with \`neonsense learn\` first`,
  );
}

async function serveModel(
  model: Model,
  file: string,
  name: string,
  threads: number | undefined,
  readAgain: () => Promise<Model>,
): Promise<ServedModel> {
  const session = await createSession(model, { consume: true, threads });
  const classifier = new Classifier(model, session);
  let explainer: Promise<Explainer> | undefined;
  return {
    name,
    file,
    model: classifier.model,
    classifier,
    session,
    explainer: () => {
      explainer ??= readAgain().then((again) => Explainer.create(again, { threads: 1 }));
      // A file that was away for a moment may be back at the next request.
      explainer.catch(() => {
        explainer = undefined;
      });
      return explainer;
    },
    dispose: async () => {
      await Promise.all([classifier.dispose(), explainer?.then((made) => made.dispose())]);
    },
  };
}

async function modelFiles(path: string): Promise<string[]> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new NeonsenseError('ERR_NOT_FOUND', `There is no model or folder of models at ${shortened(path)}`, { cause });
  });
  if (!entry.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => MODEL_FILE.test(name)).sort();
  if (names.length === 0)
    throw new NeonsenseError('ERR_NOT_FOUND', `The folder ${shortened(path)} holds no model files`);
  return names.map((name) => join(path, name));
}
