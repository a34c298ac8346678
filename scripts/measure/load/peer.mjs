// What somebody would write without neonsense: Fastify, sharp and onnxruntime-node, one thread, the same weights, pictures
// squashed to the input's sides, top 5 as JSON.
//
// node scripts/measure/load/peer.mjs MODEL.onnx SIDE LABELS.json     prints its address
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fastify from 'fastify';
import sharp from 'sharp';

const [model, side, labelFile] = process.argv.slice(2);
const labels = JSON.parse(readFileSync(labelFile, 'utf8'));
const size = Number(side);
// By require, which looks where NODE_PATH says.
const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

const app = fastify({ bodyLimit: 32 << 20 });
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/v1/classify', async (request) => {
  const pixels = await sharp(request.body).removeAlpha().resize(size, size, { fit: 'fill' }).raw().toBuffer();
  const input = new Float32Array(3 * size * size);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0; i < size * size; i++) {
      input[channel * size * size + i] = (pixels[3 * i + channel] / 255 - MEAN[channel]) / STD[channel];
    }
  }
  const outputs = await session.run({ [session.inputNames[0]]: new Tensor('float32', input, [1, 3, size, size]) });
  const logits = Array.from(outputs[session.outputNames[0]].data);
  const largest = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  const predictions = exponentials.map((value, index) => ({ label: labels[index], index, probability: value / sum }));
  return { predictions: predictions.sort((a, b) => b.probability - a.probability).slice(0, 5) };
});
console.log(await app.listen({ host: '127.0.0.1', port: 0 }));
