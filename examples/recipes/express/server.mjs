import express from 'express';
import { Classifier } from 'neonsense';
import { httpStatus } from 'neonsense/serve';

const classifier = await Classifier.load();
const app = express();
app.post('/classify', express.raw({ type: 'image/*', limit: '20mb' }), async (request, response) => {
  response.json(await classifier.classify(request.body));
});
app.use((error, _request, response, _next) => {
  response.status(error.status ?? httpStatus(error)).json({ error: error.message, code: error.code });
});
app.listen(process.env.PORT ?? 3000);
