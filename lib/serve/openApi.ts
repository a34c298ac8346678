/** The OpenAPI document of what is not the Open Inference Protocol, which has its own. */
export function openApi(version: string, models: readonly string[]): object {
  const error = {
    description: 'What was wrong',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
  const binary = { schema: { type: 'string', format: 'binary' } };
  return {
    openapi: '3.1.0',
    info: { title: 'neonsense', version, description: 'Image classification with MobileNetV3' },
    paths: {
      '/v1/classify': {
        post: {
          operationId: 'classify',
          summary: 'Label one picture',
          parameters: [
            { name: 'model', in: 'query', schema: { type: 'string', enum: models, default: models[0] } },
            { name: 'topK', in: 'query', schema: { type: 'integer', minimum: 1, default: 5 } },
            { name: 'why', in: 'query', description: 'Also say where the evidence lies', schema: { type: 'integer' } },
          ],
          requestBody: {
            required: true,
            content: {
              'image/*': binary,
              'multipart/form-data': {
                schema: { type: 'object', required: ['image'], properties: { image: binary.schema } },
              },
            },
          },
          responses: {
            '200': {
              description: 'What the model sees',
              content: { 'application/json': { schema: { $ref: '#/components/schemas/Classification' } } },
            },
            '400': error,
            '404': error,
            '413': error,
            '422': error,
            '503': error,
          },
        },
      },
      '/metrics': {
        get: { operationId: 'metrics', summary: 'For Prometheus', responses: { '200': { description: 'Text' } } },
      },
      '/v2/health/ready': {
        get: { operationId: 'ready', summary: '200 once a model runs', responses: { '200': { description: 'Ready' } } },
      },
    },
    components: {
      schemas: {
        Error: {
          type: 'object',
          required: ['error'],
          properties: { error: { type: 'string' }, code: { type: 'string' } },
        },
        Classification: {
          type: 'object',
          required: ['file', 'model', 'predictions', 'rejected', 'ms'],
          properties: {
            file: { type: 'string' },
            model: { type: 'string' },
            rejected: { type: 'boolean', description: 'None of these, it seems' },
            predictions: {
              type: 'array',
              description: 'Most probable first',
              items: {
                type: 'object',
                required: ['label', 'index', 'probability'],
                properties: {
                  label: { type: 'string' },
                  index: { type: 'integer', minimum: 0, description: "Place of the class among the model's" },
                  probability: { type: 'number', minimum: 0, maximum: 1 },
                },
              },
            },
            ms: {
              type: 'object',
              description: 'Milliseconds by stage',
              properties: {
                decode: { type: 'number' },
                preprocess: { type: 'number' },
                inference: { type: 'number' },
              },
            },
          },
        },
      },
    },
  };
}
