/** A trial of onnxruntime-web's WebAssembly backend in Node; `module` of the spec is the package's file. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type OnnxRuntime, prepareOnnx, runAsTrial } from '../../../lib/internal.js';

interface OnnxRuntimeWeb extends OnnxRuntime {
  readonly env: { readonly wasm: { numThreads: number } };
}

runAsTrial(async (spec, input) => {
  const runtime = createRequire(import.meta.url)(spec.module!) as OnnxRuntimeWeb;
  runtime.env.wasm.numThreads = spec.threads;
  return prepareOnnx(runtime, await readFile(spec.file), { executionProviders: ['wasm'] }, spec, input);
});
