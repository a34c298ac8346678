import { Classifier } from 'neonsense';
import { httpStatus } from 'neonsense/serve';

const classifier = await Classifier.load();
const answer = (statusCode, body) => ({ statusCode, body: JSON.stringify(body) });

export async function handler({ body, isBase64Encoded }) {
  try {
    return answer(200, await classifier.classify(Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8')));
  } catch (error) {
    return answer(httpStatus(error), { error: error.message, code: error.code });
  }
}
