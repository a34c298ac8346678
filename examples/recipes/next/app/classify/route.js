import { Classifier } from 'neonsense';
import { httpStatus } from 'neonsense/serve';

const classifier = Classifier.load();

export async function POST(request) {
  try {
    return Response.json(await (await classifier).classify(await request.arrayBuffer()));
  } catch (error) {
    return Response.json({ error: error.message, code: error.code }, { status: httpStatus(error) });
  }
}
