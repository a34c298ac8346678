// What Lambda's own runtime does for one event: asks for it, calls `handler.handler`, and sends what that returns.
import { join } from 'node:path';

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
const { handler } = await import(join(process.env.LAMBDA_TASK_ROOT, 'handler.mjs'));
const next = await fetch(`${api}/next`);
const body = JSON.stringify(await handler(await next.json()));
await fetch(`${api}/${next.headers.get('lambda-runtime-aws-request-id')}/response`, { method: 'POST', body });
process.exit();
