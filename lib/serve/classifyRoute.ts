import { channel } from 'node:diagnostics_channel';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Classification } from '../classify/classifier.js';
import { invalidArgument, NeonsenseError } from '../errors.js';
import { decodeImage } from '../image/decode.js';
import type { Admission } from './admission.js';
import type { Metrics } from './metrics.js';
import type { ServedModel } from './models.js';
import { overloaded } from './overloaded.js';
import type { Shadow } from './shadow.js';

/** Published after every picture that was answered: `{ model, file, classification }`. For OpenTelemetry and the like. */
export const CLASSIFIED = channel('neonsense:classified');

/** `POST /v1/classify`: a picture in, what `classify --json` prints out. */
export function registerClassify(
  app: FastifyInstance,
  models: readonly ServedModel[],
  {
    admission,
    metrics,
    shadow,
  }: { readonly admission: Admission; readonly metrics: Metrics; readonly shadow: Shadow | undefined },
): void {
  app.post('/v1/classify', async (request, reply) => {
    const { model, topK, why } = queryOf(request, models);
    const answer = await admission.admit(async () => {
      const { name, bytes } = await pictureOf(request);
      const classification = await model.classifier.classify(bytes, { topK });
      return {
        name,
        bytes,
        classification,
        activation: why ? await activationOf(model, bytes, classification.predictions[0]?.label) : undefined,
      };
    });
    if (answer === undefined) return overloaded(reply);
    const { name, bytes, classification, activation } = answer.result;
    metrics.classified(model.name, classification);
    shadow?.offer(bytes, model.name, classification);
    CLASSIFIED.publish({ model: model.name, file: name, classification });
    return { ...answerOf(name, model.name, classification), activation };
  });
}

function answerOf(file: string, model: string, { predictions, rejected, ms }: Classification): object {
  return { file, model, predictions, rejected, ms };
}

/** Where in the picture the evidence for `label` lies, with values a page can draw. */
async function activationOf(model: ServedModel, bytes: Uint8Array, label: string | undefined): Promise<object> {
  const explainer = await model.explainer();
  const { values, ...map } = await explainer.explain(await decodeImage(bytes, { name: 'the picture' }), label);
  return { ...map, values: Array.from(values, (value) => Math.round(value * 1e4) / 1e4) };
}

function queryOf(
  request: FastifyRequest,
  models: readonly ServedModel[],
): { model: ServedModel; topK: number; why: boolean } {
  const { model: wanted, topK = '5', why } = request.query as { model?: string; topK?: string; why?: string };
  const model = wanted === undefined ? models[0] : models.find(({ name }) => name === wanted);
  if (model === undefined) {
    throw new NeonsenseError('ERR_NOT_FOUND', `There is no such model: ${models.map(({ name }) => name).join(', ')}`);
  }
  const count = Number(topK);
  if (!Number.isInteger(count) || count < 1) throw invalidArgument('topK', 'a whole number of at least 1', topK);
  return { model, topK: count, why: why !== undefined && why !== '0' };
}

/** The first file of a form, or the body itself. */
async function pictureOf(request: FastifyRequest): Promise<{ name: string; bytes: Buffer }> {
  if (request.isMultipart()) {
    const part = await request.file();
    if (part === undefined) throw invalidArgument('image', 'a form with a picture in it', undefined);
    return { name: part.filename, bytes: await part.toBuffer() };
  }
  if (Buffer.isBuffer(request.body) && request.body.length > 0) return { name: 'request', bytes: request.body };
  throw invalidArgument('body', 'the bytes of a picture with content-type image/*, or a form', request.body);
}
