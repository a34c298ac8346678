import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NeonsenseError } from '../errors.js';
import { softmax } from '../numbers/softmax.js';
import type { Admission } from './admission.js';
import type { ServedModel } from './models.js';
import {
  type InferBody,
  JSON_LENGTH_HEADER,
  readInferRequest,
  splitInferBody,
  writeInferAnswer,
} from './openInferenceTensors.js';
import { overloaded } from './overloaded.js';

/** The Open Inference Protocol v2 over REST, with the extension for binary tensors that Triton's clients use. */
export function registerOpenInference(
  app: FastifyInstance,
  models: readonly ServedModel[],
  { admission, version }: { readonly admission: Admission; readonly version: string },
): void {
  const named = (request: FastifyRequest): ServedModel => {
    const { name } = request.params as { name: string };
    const model = models.find((candidate) => candidate.name === name);
    if (model !== undefined) return model;
    throw new NeonsenseError(
      'ERR_NOT_FOUND',
      `There is no model ${JSON.stringify(name.slice(0, 100))}: ${models.map((served) => served.name).join(', ')}`,
    );
  };

  app.get('/v2', () => ({ name: 'neonsense', version, extensions: ['binary_tensor_data'] }));
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', () => ({ ready: true }));
  app.get('/v2/models', () => ({ models: models.map(({ name }) => ({ name })) }));
  app.post('/v2/repository/index', () => models.map(({ name }) => ({ name, version: VERSION, state: 'READY' })));
  for (const path of ['/v2/models/:name', '/v2/models/:name/versions/:version']) {
    app.get(path, (request) => metadataOf(named(request)));
    app.get(`${path}/ready`, (request) => ({ name: named(request).name, ready: true }));
    app.post(`${path}/infer`, async (request, reply) => {
      const model = named(request);
      const answer = await admission.admit(() => infer(model, request, reply));
      return answer === undefined ? overloaded(reply) : answer.result;
    });
  }
}

/** Model files have no versions; clients that ask for one get this. */
const VERSION = '1';

function metadataOf({ name, model }: ServedModel): object {
  const [height, width] = model.preprocessing.size;
  return {
    name,
    versions: [VERSION],
    platform: 'neonsense_xnnpack',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, height, width, 3] }],
    outputs: OUTPUTS.map((output) => ({ name: output, datatype: 'FP32', shape: [-1, model.labels.length] })),
    parameters: { precision: model.precision, labels: model.labels, preprocessing: model.preprocessing },
  };
}

const OUTPUTS = ['logits', 'probabilities'] as const;

async function infer(served: ServedModel, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { model, session, name } = served;
  const [height, width] = model.preprocessing.size;
  const asked = readInferRequest(bodyOf(request), {
    input: 'input',
    shape: [height, width, 3],
    outputs: OUTPUTS,
  });
  const logits = await session.run(asked.tensor);
  const classes = model.labels.length;
  const images = logits.length / classes;
  const tensors = asked.outputs.map((output) => ({
    ...output,
    shape: [images, classes],
    data: output.name === 'logits' ? logits : probabilitiesOf(logits, classes, model.confidence?.temperature),
  }));
  return writeInferAnswer(reply, { model_name: name, model_version: VERSION, id: asked.id }, tensors);
}

/** The request's JSON, with the tensors' bytes behind it. */
function bodyOf({ body, headers }: FastifyRequest): InferBody {
  const header = headers[JSON_LENGTH_HEADER];
  return Buffer.isBuffer(body) ? splitInferBody(body, header) : { json: body, bytes: Buffer.alloc(0) };
}

function probabilitiesOf(logits: Float32Array, classes: number, temperature: number | undefined): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    probabilities.set(softmax(logits.subarray(start, start + classes), temperature), start);
  }
  return probabilities;
}
