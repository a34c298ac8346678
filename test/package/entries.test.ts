import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canPack, type Packed, pack, root, unpack } from './packed.js';

/** What somebody would write who evaluates and compresses with the installed package. */
const PROGRAM = `
import { writeFileSync } from 'node:fs';
import { diagnose, inspectModel, NeonsenseError, readModel, toOnnx } from 'neonsense';
import { createServer, httpStatus, watch, type WatchResult } from 'neonsense/serve';
import { COMPRESS_ENGINE, compress, reportHtml, reportMarkdown } from 'neonsense/compress';
import { evaluate, evaluationReport, fitTemperature, openDataset, readPictures, withTemperature } from 'neonsense/evaluate';

const count = 20;
writeFileSync('data.bin', Uint8Array.from({ length: count * 16 * 16 * 3 }, (_, i) => (i * 2654435761) >>> 24));
writeFileSync('data_labels.bin', Uint8Array.from({ length: count }, (_, i) => i % 10));

const model = await readModel('node_modules/neonsense/models/household-fp16.safetensors');
const dataset = await openDataset('data.bin', { labels: model.labels, limit: 12 });
const logits: (readonly number[])[] = [];
const labels: number[] = [];
const [score] = await evaluate([{ name: 'household', model }], dataset, {
  onLogits: (_, row, label) => {
    logits.push(row);
    labels.push(label);
  },
});
const fitted = withTemperature(model, fitTemperature(logits, labels), labels.length);
const calibration = await readPictures(model, 'data.bin', { limit: 4 });
const { report, model: small } = await compress(model, {
  stages: [{ stage: 'quantize-dynamic' }],
  calibration,
  evaluate: (models) => evaluate(models, dataset),
  latency: { runs: 2, warmup: 0 },
});
const served = await createServer({ models: ['node_modules/neonsense/models/household-fp16.safetensors'], watching: 'here' });
const address = await served.listen({ port: 0 });
const { source } = (await (await fetch(address + '/v1/watch')).json()) as { source: string };
const show = async (): Promise<void> => {
  for await (const result of watch(served.models[0]!.classifier, 'no such film')) {
    const typed: WatchResult = result;
    served.watched?.show(typed);
  }
};
const failed = await show().catch((error: NeonsenseError) => [error.code, httpStatus(error)]);
await served.close();
const summary = inspectModel(small);
const onnx = await toOnnx(model);
const { healthy, version } = await diagnose();
console.log(
  JSON.stringify({
    images: score!.images,
    html: (await evaluationReport('data', [score!])).includes('household'),
    temperature: fitted.confidence!.temperature > 0,
    stages: report.stages.map(({ name, accuracy }) => [name, accuracy!.images]),
    reports: [reportMarkdown(report), await reportHtml(report)].map((text) => text.includes('quantize-dynamic')),
    precision: summary.precision,
    onnx: onnx.length > 1e6,
    engine: typeof COMPRESS_ENGINE.observe,
    healthy,
    version,
    source,
    failed,
  }),
);
`;

describe.skipIf(!canPack)(
  'the entries of the package (skipped without dist/ and the addon)',
  { timeout: 600_000 },
  () => {
    let packed: Packed;
    let project: string;

    beforeAll(async () => {
      packed = await pack();
      project = join(packed.folder, 'project');
      mkdirSync(join(project, 'node_modules'), { recursive: true });
      unpack(packed.tarball, join(project, 'node_modules', 'neonsense'));
      writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
      writeFileSync(join(project, 'program.ts'), PROGRAM);
      for (const types of ['@types', 'undici-types']) {
        symlinkSync(join(root, 'node_modules', types), join(project, 'node_modules', types));
      }
    }, 600_000);
    afterAll(() => packed?.remove());

    it('evaluate, compress, export, inspect and diagnose for a program in TypeScript, as the command line does', () => {
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      const options = ['--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--module', 'nodenext'];
      execFileSync(process.execPath, [tsc, ...options, 'program.ts'], {
        cwd: project,
        stdio: 'pipe',
      });
      const output = execFileSync(process.execPath, ['program.js'], { cwd: project, encoding: 'utf8' });
      expect(JSON.parse(output)).toMatchObject({
        images: 12,
        html: true,
        temperature: true,
        stages: [
          ['baseline', 12],
          ['quantize-dynamic', 12],
        ],
        reports: [true, true],
        precision: 'int8-dynamic',
        onnx: true,
        engine: 'function',
        source: 'here',
        failed: ['ERR_NOT_FOUND', 404],
        healthy: true,
      });
    });
  },
);
