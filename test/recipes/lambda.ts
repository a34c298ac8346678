// Stands in for AWS Lambda on arm64: the Runtime API with one event, and a runtime in arm64 Node under emulation.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { finish, projectRoot } from '../cli/run.js';

/**
 * Unpacks function.zip of `folder` where nothing else is, and sends it its clock.png as a function's URL does.
 *
 * @returns the body of the answer
 * @throws {Error} with all it said, when the function ends without an answer of status 200
 */
export async function invokeLambda(folder: string): Promise<string> {
  const task = join(folder, 'task');
  await finish(spawn('unzip', ['-q', 'function.zip', '-d', task], { cwd: folder }));
  const event = { body: readFileSync(join(folder, 'clock.png')).toString('base64'), isBase64Encoded: true };
  let answer: string | undefined;
  const api = createServer(async (request, response) => {
    if (request.method === 'POST') answer = await text(request);
    response.setHeader('lambda-runtime-aws-request-id', '1').end(JSON.stringify(event));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  try {
    const emulator = join(projectRoot, 'scripts/proof/run-arm64.mjs');
    const runtime = join(import.meta.dirname, 'lambdaRuntime.mjs');
    const child = spawn(process.execPath, [emulator, '--cpu', 'cortex-a76', runtime], {
      cwd: task,
      env: {
        PATH: process.env['PATH'],
        // Empty: the binary is the one in function.zip.
        NEONSENSE_BINARY: '',
        LAMBDA_TASK_ROOT: task,
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${(api.address() as AddressInfo).port}`,
      },
    });
    const { stdout, stderr } = await finish(child);
    const { statusCode, body } = JSON.parse(answer ?? '{}') as { statusCode?: number; body: string };
    if (statusCode !== 200) throw new Error(`answered ${answer}\n${stdout}\n${stderr}`);
    return body;
  } finally {
    api.close();
  }
}
