#!/usr/bin/env node
// A camera for a minute: `neonsense watch` on a film of 30 frames a second, played at its own pace. Fails when memory grows
// after the first seconds, when a frame is lost without being counted, or when a program is left behind.
//
// node scripts/proof/soak.mjs [SECONDS]     (needs a built dist/ and ffmpeg)
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const FPS = 30;
/** Seconds in which memory may still settle. */
const SETTLING = 15;
/** MiB by which the median of the last third may be above that of the first third after settling. */
const MOST_GROWTH = 8;
const SLIDES = ['clock', 'chair', 'lamp', 'couch', 'bed', 'table'];

const seconds = Number(process.argv[2] ?? 60);
const folder = mkdtempSync(join(tmpdir(), 'neonsense-soak-'));
const film = join(folder, 'film.mkv');
try {
  makeFilm();
  await soak();
} finally {
  rmSync(folder, { recursive: true });
}

function makeFilm() {
  const inputs = SLIDES.flatMap((name) => ['-loop', '1', '-framerate', FPS, '-t', '1', '-i', `examples/${name}.png`]);
  const scaled = SLIDES.map((_, i) => `[${i}]scale=640:480,setsar=1,format=yuv420p[s${i}]`);
  const joined = `${SLIDES.map((_, i) => `[s${i}]`).join('')}concat=n=${SLIDES.length},loop=-1:${SLIDES.length * FPS}`;
  const filter = ['-filter_complex', [...scaled, joined].join(';'), '-t', seconds];
  const args = ['-loglevel', 'error', ...inputs, ...filter, '-c:v', 'mpeg4', '-q:v', '3', film].map(String);
  const { status, stderr } = spawnSync('ffmpeg', args);
  if (status !== 0) throw new Error(String(stderr));
}

async function soak() {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'watch', film, '--realtime', '--json', '--smooth'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const memory = [];
  let children = [];
  const timer = setInterval(() => {
    const rss = residentMiB(child.pid);
    if (rss !== undefined) memory.push(rss);
    children = [...new Set([...children, ...childrenOf(child.pid)])];
  }, 1000);
  let results = 0;
  let dropped = 0;
  let last;
  const latencies = [];
  for await (const line of createInterface({ input: child.stdout })) {
    last = JSON.parse(line);
    results++;
    dropped += last.dropped;
    latencies.push(last.latencyMs);
  }
  const code = await ended;
  clearInterval(timer);
  const settled = memory.slice(SETTLING);
  const third = Math.floor(settled.length / 3);
  const growth = median(settled.slice(-third)) - median(settled.slice(0, third));
  const orphans = children.filter(isAlive);
  console.log(
    `${results} results and ${dropped} dropped of ${seconds * FPS} frames in ${(last.timeMs / 1000).toFixed(1)} s`,
  );
  console.log(`latency: median ${median(latencies).toFixed(1)} ms`);
  console.log(
    `memory: ${median(settled).toFixed(0)} MiB, grew by ${growth.toFixed(1)} MiB; programs left: ${orphans.length}`,
  );
  const faults = [
    ...(code === 0 ? [] : [`exit code ${code}`]),
    ...(results + dropped === seconds * FPS ? [] : ['frames that nobody counted']),
    ...(growth <= MOST_GROWTH ? [] : ['memory grows']),
    ...(orphans.length === 0 && children.length > 0 ? [] : ['a program is left behind, or none was seen']),
  ];
  for (const fault of faults) console.error(`fault: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function residentMiB(pid) {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  } catch {
    return undefined;
  }
}

function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => parentOf(each) === pid);
}

function parentOf(pid) {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1]);
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
