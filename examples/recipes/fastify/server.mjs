import multipart from '@fastify/multipart';
import fastify from 'fastify';
import { Classifier } from 'neonsense';
import { httpStatus } from 'neonsense/serve';

const classifier = await Classifier.load();
const app = fastify();
await app.register(multipart, { limits: { fileSize: 20e6 } });
app.post('/classify', async (request) => classifier.classify(await (await request.file())?.toBuffer()));
app.setErrorHandler((error, _request, reply) => {
  reply.code(error.statusCode ?? httpStatus(error)).send({ error: error.message, code: error.code });
});
await app.listen({ port: Number(process.env.PORT ?? 3000) });
