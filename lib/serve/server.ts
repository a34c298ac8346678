import { join } from 'node:path';
import type { FastifyBaseLogger, FastifyError, FastifyInstance } from 'fastify';
import { checkOptions } from '../classify/options.js';
import { invalidArgument, NeonsenseError, shortened } from '../errors.js';
import { packageVersion } from '../package.js';
import { modelsFolder } from '../shipped/manifest.js';
import { chooseShipped } from '../shipped/pickModel.js';
import { Admission } from './admission.js';
import { checkServerOptions } from './checkOptions.js';
import { registerClassify } from './classifyRoute.js';
import { fastify, multipart, withoutSchemas } from './http.js';
import { httpStatus } from './httpStatus.js';
import { registerLab } from './lab.js';
import { Metrics } from './metrics.js';
import { loadServedModels, type ServedModel } from './models.js';
import { openApi } from './openApi.js';
import { registerOpenInference } from './openInference.js';
import type { ListenOptions, Server, ServerOptions } from './options.js';
import { registerPage } from './page.js';
import { Shadow, type ShadowOptions } from './shadow.js';
import { registerWatched, Watched } from './watched.js';

/**
 * Loads the models and makes a server of them: the Open Inference Protocol v2 under `/v2`, pictures under
 * `/v1/classify`, the live page at `/`, `/metrics`, `/openapi.json`.
 *
 * @throws {NeonsenseError} what `loadServedModels` throws
 */
export async function createServer(given: ServerOptions): Promise<Server> {
  const options = checkServerOptions(given);
  const files = options.models ?? [join(modelsFolder, (await chooseShipped()).variant.file)];
  const { threads, reading, shadow } = options;
  const models = await loadServedModels(files, threads, reading);
  let shadowed: ServedModel[] = [];
  try {
    if (shadow !== undefined) shadowed = await loadServedModels([shadow.model], 1, reading);
    return await serverOf(models, shadowed, options);
  } catch (error) {
    await disposeAll([...models, ...shadowed]);
    throw error;
  }
}

async function disposeAll(models: readonly ServedModel[]): Promise<void> {
  await Promise.all(models.map((model) => model.dispose()));
}

/** @param shadowed the second model of an A/B test, or none */
async function serverOf(
  models: readonly ServedModel[],
  shadowed: readonly ServedModel[],
  options: ServerOptions,
): Promise<Server> {
  const { maxInFlight = 8, maxBytes = 32 << 20, requestTimeoutMs = 30_000 } = options;
  const version = packageVersion();
  const admission = new Admission(maxInFlight);
  const metrics = new Metrics(models, () => admission.inFlight, options.reference);
  const app = fastify({
    logger: options.log === true ? { stream: process.stderr } : false,
    bodyLimit: maxBytes,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 2 * requestTimeoutMs,
    // How often Node looks for requests that take too long.
    http: { connectionsCheckingInterval: Math.min(10_000, requestTimeoutMs) },
    forceCloseConnections: 'idle',
    schemaController: withoutSchemas,
  });
  const shadow = shadowOf(shadowed[0], options.shadow, metrics, app.log);

  // Whatever it calls itself: routes know what they take, and Triton's client names no type.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  await app.register(multipart, { limits: { files: 1, fileSize: maxBytes, fields: 16, parts: 17 } });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error instanceof NeonsenseError ? httpStatus(error) : (error.statusCode ?? 500);
    if (status >= 500) request.log.error(error);
    // What was not foreseen may name paths or memory; who sent the request gets none of it.
    const said = status >= 500 && !(error instanceof NeonsenseError) ? 'The server failed' : error.message;
    return reply.code(status).send({ error: said, code: error.code });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: `There is nothing at ${request.method} ${request.url.slice(0, 100)}` }),
  );
  app.addHook('onResponse', async (request, reply) => {
    metrics.request(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
  });
  registerOpenInference(app, models, { admission, version });
  registerClassify(app, models, { admission, metrics, shadow });
  registerPage(app);
  const { watching } = options;
  const watched =
    watching === undefined
      ? undefined
      : new Watched(watching, models[0]!.name, {
          result: (result) => metrics.watched(models[0]!.name, result),
          error: (error) => app.log.warn(error, 'a frame is not shown'),
        });
  registerWatched(app, watched);
  registerLab(app, options.lab);
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/openapi.json', () =>
    openApi(
      version,
      models.map(({ name }) => name),
    ),
  );

  const close = async (): Promise<void> => {
    await app.close();
    await admission.drained();
    await shadow?.drained();
    await disposeAll([...models, ...shadowed]);
  };
  return {
    models,
    watched,
    listen: (at) => listen(app, at),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(app: FastifyInstance, given: ListenOptions = {}): Promise<string> {
  const { host = '127.0.0.1', port = 8080 } = checkOptions(given, ['host', 'port']);
  if (typeof host !== 'string') throw invalidArgument('host', 'an address of this machine', host);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidArgument('port', 'a port, 0 to 65535', port);
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw invalidArgument('port', `a free port of ${host}`, port);
    if (code === 'EACCES') throw invalidArgument('port', 'a port that this user may open, 1024 or above', port);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw invalidArgument('host', 'an address of this machine', host);
    }
    throw new NeonsenseError('ERR_IO', `Can't listen on ${shortened(host)}: ${shortened((error as Error).message)}`, {
      cause: error,
    });
  }
}

function shadowOf(
  model: ServedModel | undefined,
  options: ShadowOptions | undefined,
  metrics: Metrics,
  log: FastifyBaseLogger,
): Shadow | undefined {
  if (model === undefined || options === undefined) return undefined;
  return new Shadow(model, options, {
    record: (record) => metrics.shadowed(record.model, record.shadow, record.agrees),
    error: (error) => log.warn(error, 'the second model could not answer'),
  });
}
