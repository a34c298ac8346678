// Requests a second and latency of `neonsense serve` under load by autocannon, against a server of Fastify, sharp and
// onnxruntime-node (peer.mjs) with the same float weights; the two take turns, round after round.
//
// NODE_PATH=FOLDER_WITH_ONNXRUNTIME_NODE node scripts/measure/load/load.mjs [SECONDS] [ROUNDS]     (needs a built dist/)
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import autocannon from 'autocannon';

const CONNECTIONS = [1, 8, 64];
const MODEL = 'models/household-fp16.safetensors';
const CLI = 'dist/cli/main.js';

const seconds = Number(process.argv[2] ?? 5);
const rounds = Number(process.argv[3] ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'neonsense-load-'));
const children = [];

/** Starts a server and waits for the address it prints. */
function started(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    let said = '';
    const listen = (text) => {
      said += text;
      const address = /http:\/\/[\d.]+:\d+/.exec(said)?.[0];
      if (address !== undefined) resolve(address);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('exit', () => reject(new Error(said)));
  });
}

async function measured(address, connections, body) {
  const result = await autocannon({
    url: `${address}/v1/classify`,
    method: 'POST',
    headers: { 'content-type': 'image/jpeg' },
    ...{ body, connections, duration: seconds },
  });
  const { requests, latency, non2xx, errors } = result;
  return { perSecond: requests.average, p50: latency.p50, p99: latency.p99, failed: non2xx + errors };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

try {
  const onnx = join(folder, 'model.onnx');
  const labels = join(folder, 'labels.json');
  const exported = spawnSync(process.execPath, [CLI, 'export', MODEL, onnx], { encoding: 'utf8' });
  if (exported.status !== 0) throw new Error(exported.stderr);
  const inspected = spawnSync(process.execPath, [CLI, 'inspect', '--json', MODEL], { encoding: 'utf8' });
  const summary = JSON.parse(inspected.stdout);
  writeFileSync(labels, JSON.stringify(summary.labels));
  const picture = join(folder, 'picture.jpg');
  const { default: sharp } = await import('sharp');
  await sharp('examples/clock.png').resize(640, 480, { fit: 'fill' }).jpeg({ quality: 90 }).toFile(picture);
  const body = readFileSync(picture);

  const servers = {
    neonsense: await started([CLI, 'serve', '-m', MODEL, '-t', '1', '--port', '0', '--max-in-flight', '64']),
    'sharp + onnxruntime-node': await started([
      'scripts/measure/load/peer.mjs',
      ...[onnx, String(summary.preprocessing.size[0]), labels],
    ]),
  };
  const results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const connections of CONNECTIONS) {
      for (const [name, address] of Object.entries(servers)) {
        const key = `${name}, ${connections} connections`;
        results.set(key, [...(results.get(key) ?? []), await measured(address, connections, body)]);
      }
    }
  }
  console.log(
    `${body.length} bytes of JPEG, 640 x 480; ${rounds} rounds of ${seconds} s in turn; load ${loadavg()[0].toFixed(1)}`,
  );
  console.log('| server | requests/s | p50 ms | p99 ms | failed |\n| --- | ---: | ---: | ---: | ---: |');
  for (const [key, runs] of results) {
    const of = (field) => median(runs.map((run) => run[field]));
    const failed = runs.reduce((sum, run) => sum + run.failed, 0);
    console.log(`| ${key} | ${of('perSecond').toFixed(1)} | ${of('p50')} | ${of('p99')} | ${failed} |`);
  }
} finally {
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true });
}
