#!/usr/bin/env node
// Estimates cycles and milliseconds of one inference on boards that are not here: how often each block of the engine's
// code runs is counted in emulation (plugin.c), how many cycles a block takes comes from llvm-mca's model of the CPU.
//
//   node scripts/measure/arm64-count/cycles.mjs [MODEL...] [--cpu LIST] [--fp16] [--peers PYTHON] [--mca PROGRAM]
//            [--kernels N] [--json]
//
//   MODEL           model files (default: models/household-fp32.safetensors)
//   --cpu LIST      of cortex-a53, cortex-a72, cortex-a76 (default: all)
//   --fp16          ours in half precision too, on the Cortex-A76, which computes in it
//   --peers PYTHON  ncnn and MNN on the weights of every fp32 MODEL too, as count.mjs has it
//   --mca PROGRAM   llvm-mca of LLVM 19 (default: llvm-mca-19); llvm-mc and llvm-cxxfilt are called by the same suffix
//   --kernels N     the N functions with most cycles are listed (default: 12; 0: none)
//   --json          one JSON object a subject and CPU
//
// The model knows pipelines and latencies; it knows no caches, no branch prediction and no memory. So this is a lower
// bound in practice, and good for comparing kernels rather than for promising milliseconds. Needs what count.mjs needs.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readModel } from '../../../dist/internal.cjs';
import { readElfCode } from '../../build/elf.mjs';
import { peersOf } from './peers.mjs';
import { arm64Addon, countProcess, preparePlugin, processOf } from './process.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

const FEW = 1;
const MANY = 3;
/** Blocks that make up this share of the instructions are modelled; the rest is taken to be like them. */
const MODELLED = 0.995;

/**
 * The board whose clock makes milliseconds of cycles, and LLVM's model of its core. LLVM has none of the Cortex-A72 and
 * A76: it takes the A57's for the first; the Neoverse N1 is the A76's twin for servers.
 */
const BOARDS = {
  'cortex-a53': { name: 'Pi 3B+, 1.4 GHz', hertz: 1.4e9, model: 'cortex-a53' },
  'cortex-a72': { name: 'Pi 4, 1.5 GHz', hertz: 1.5e9, model: 'cortex-a72' },
  'cortex-a76': { name: 'Pi 5, 2.4 GHz', hertz: 2.4e9, model: 'neoverse-n1' },
};

/** Multiply-accumulates of one instruction, by mnemonic and the arrangement of its first operand. */
const MULTIPLY_ACCUMULATES = [
  [/^\s*fml[as]\s+v\d+\.4s/, 4],
  [/^\s*fml[as]\s+v\d+\.2s/, 2],
  [/^\s*fml[as]\s+v\d+\.8h/, 8],
  [/^\s*fml[as]\s+v\d+\.4h/, 4],
  [/^\s*[su]dot\s+v\d+\.4s/, 16],
  [/^\s*[su]dot\s+v\d+\.2s/, 8],
  [/^\s*[su]mmla\s/, 32],
  [/^\s*[su]ml[as]l2?\s+v\d+\.8h/, 8],
  [/^\s*[su]ml[as]l2?\s+v\d+\.4s/, 4],
  [/^\s*fn?m(?:add|sub)\s/, 1],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cpu: { type: 'string', default: Object.keys(BOARDS).join(',') },
    fp16: { type: 'boolean', default: false },
    peers: { type: 'string' },
    mca: { type: 'string', default: 'llvm-mca-19' },
    kernels: { type: 'string', default: '12' },
    json: { type: 'boolean', default: false },
  },
});

function tool(program, args, input) {
  const result = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 2 ** 30 });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? result.stderr.trim().split('\n').slice(-4).join('\n');
  throw new Error(`${program} failed: ${reason}`);
}

/** The plugin's list as a map from a block's place and words to how often it was entered. */
function readBlocks(file) {
  const blocks = new Map();
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const [offset, entered, ...words] = line.split(' ');
    const key = `${offset} ${words.join(' ')}`;
    const known = blocks.get(key)?.entered ?? 0;
    blocks.set(key, { offset: Number.parseInt(offset, 16), words, entered: known + Number(entered) });
  }
  return blocks;
}

/** Blocks of one inference: those of the later runs, by how often each is entered. */
async function blocksOfInference({ plugin, subject, cpu, folder }) {
  const [few, many] = await Promise.all(
    [FEW, MANY].map(async (runs) => {
      const blocks = join(folder, `${runs}.blocks`);
      await countProcess({ plugin, ...processOf(subject, cpu, runs), out: join(folder, `${runs}.jsonl`), blocks });
      return readBlocks(blocks);
    }),
  );
  return [...many]
    .map(([key, block]) => {
      const entered = (block.entered - (few.get(key)?.entered ?? 0)) / (MANY - FEW);
      return { ...block, entered, instructions: entered * block.words.length };
    })
    .filter(({ entered }) => entered >= 1)
    .sort((a, b) => b.instructions - a.instructions);
}

/** Adds to each block its assembly text and the cycles that the model gives one pass through it. */
function model(blocks, cpu) {
  const words = blocks.flatMap((block) => block.words);
  const bytes = words.map((word) =>
    word
      .match(/../g)
      .reverse()
      .map((pair) => `0x${pair}`)
      .join(' '),
  );
  const mc = values.mca.replace('llvm-mca', 'llvm-mc');
  const read = ['-disassemble', '-triple=aarch64', '-mattr=+v8.2a,+fullfp16,+dotprod'];
  const lines = tool(mc, read, `${bytes.join('\n')}\n`).split('\n');
  const text = lines.filter((line) => line.startsWith('\t') && !line.startsWith('\t.'));
  if (text.length !== words.length) throw new Error(`${mc} read ${text.length} of ${words.length} instructions`);
  let at = 0;
  const listed = blocks.map((block) => ({ ...block, text: text.slice(at, (at += block.words.length)) }));
  const regions = listed.map(({ text: body }, index) =>
    [`# LLVM-MCA-BEGIN ${index}`, ...body, `# LLVM-MCA-END ${index}`].join('\n'),
  );
  // Atomics have no timing in some models; what is measured runs them once in a thousand blocks.
  const skip = '-skip-unsupported-instructions=lack-sched';
  const target = ['-mtriple=aarch64', '-mattr=+fullfp16,+dotprod', `-mcpu=${BOARDS[cpu].model}`];
  const options = [...target, skip, '-iterations=100'];
  const { CodeRegions } = JSON.parse(tool(values.mca, [...options, '-json'], `${regions.join('\n')}\n`));
  const cycles = new Map(
    CodeRegions.map(({ Name, SummaryView: { TotalCycles, Iterations } }) => [Number(Name), TotalCycles / Iterations]),
  );
  return listed.map((block, index) => ({
    ...block,
    cycles: (cycles.get(index) ?? block.words.length) * block.entered,
  }));
}

const multiplyAccumulates = ({ text, entered }) =>
  entered *
  text.reduce((sum, line) => sum + (MULTIPLY_ACCUMULATES.find(([pattern]) => pattern.test(line))?.[1] ?? 0), 0);

/** Names the function of a place in our addon's file; peers are stripped, so theirs is all one. */
function functionNames(subject) {
  if (subject.peer !== undefined) return () => subject.engine;
  const symbols = `${arm64Addon()}.symbols`;
  if (!existsSync(symbols)) return () => 'neonsense';
  const { code, functions } = readElfCode(readFileSync(symbols));
  return (offset) => {
    const part = code.find((each) => offset >= each.offset && offset < each.offset + each.bytes.length);
    if (part === undefined) return 'neonsense';
    const address = offset - part.offset + part.address;
    let [low, high] = [0, functions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (functions[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    return functions[low - 1]?.name ?? 'neonsense';
  };
}

/** C++ names as they are written, without parameters; those of C are left as they are. */
function demangled(kernels) {
  const names = tool(
    values.mca.replace('llvm-mca', 'llvm-cxxfilt'),
    ['-p'],
    kernels.map(({ name }) => name).join('\n'),
  );
  return names.split('\n').map((name, at) => ({ ...kernels[at], name: name.replace('(anonymous namespace)::', '') }));
}

async function estimate({ plugin, subject, cpu, folder }) {
  const blocks = await blocksOfInference({ plugin, subject, cpu, folder });
  const instructions = blocks.reduce((sum, block) => sum + block.instructions, 0);
  let sum = 0;
  const hot = blocks.filter((block) => {
    const isNeeded = sum < MODELLED * instructions;
    sum += block.instructions;
    return isNeeded;
  });
  const modelled = model(hot, cpu);
  const share = hot.reduce((all, block) => all + block.instructions, 0) / instructions;
  const cycles = modelled.reduce((all, block) => all + block.cycles, 0) / share;
  const nameOf = functionNames(subject);
  const kernels = new Map();
  for (const block of modelled) {
    const name = nameOf(block.offset);
    const kernel = kernels.get(name) ?? { name, instructions: 0, cycles: 0, macs: 0 };
    kernel.instructions += block.instructions;
    kernel.cycles += block.cycles;
    kernel.macs += multiplyAccumulates(block);
    kernels.set(name, kernel);
  }
  return {
    engine: subject.engine,
    model: basename(subject.model),
    cpu,
    instructions: Math.round(instructions),
    cycles: Math.round(cycles),
    board: BOARDS[cpu].name,
    estimatedMs: (cycles / BOARDS[cpu].hertz) * 1000,
    kernels: demangled([...kernels.values()].sort((a, b) => b.cycles - a.cycles)),
  };
}

const million = (value) => (value / 1e6).toFixed(2);

function print(estimated) {
  if (values.json) {
    console.log(JSON.stringify(estimated));
    return;
  }
  const { engine, model: name, cpu, instructions, cycles, board, estimatedMs, kernels } = estimated;
  console.log(`${engine} ${name} on ${cpu}: ${million(instructions)} M instructions, ${million(cycles)} M cycles`);
  console.log(`  estimated ${estimatedMs.toFixed(1)} ms on a ${board}, without caches and memory`);
  const shown = kernels.slice(0, Number(values.kernels));
  if (shown.length > 0) console.log('  M cycles  M instr.  cycles/MAC  function');
  for (const kernel of shown) {
    const perMac = kernel.macs < kernel.instructions / 100 ? '-' : (kernel.cycles / kernel.macs).toFixed(3);
    const columns = [million(kernel.cycles), million(kernel.instructions), perMac];
    console.log(`  ${columns.map((text, at) => text.padStart(at === 2 ? 10 : 8)).join('  ')}  ${kernel.name}`);
  }
}

async function main() {
  const cpus = values.cpu.split(',');
  for (const cpu of cpus) {
    if (!Object.hasOwn(BOARDS, cpu))
      throw new Error(`--cpu: expected some of ${Object.keys(BOARDS).join(', ')}, not "${cpu}"`);
  }
  arm64Addon();
  const plugin = preparePlugin();
  const folder = mkdtempSync(join(tmpdir(), 'arm64-cycles-'));
  try {
    const models = positionals.length > 0 ? positionals : [join(root, 'models', 'household-fp32.safetensors')];
    for (const file of models.map((name) => resolve(name))) {
      const subjects = [{ engine: 'neonsense', model: file, file }];
      if (values.fp16) subjects.push({ engine: 'neonsense-fp16', model: file, file });
      const read = await readModel(file);
      if (values.peers !== undefined && read.precision === 'fp32') {
        subjects.push(...(await peersOf(read, { model: file, maker: values.peers, folder })));
      }
      for (const subject of subjects) {
        const isHalf = subject.engine === 'neonsense-fp16';
        for (const cpu of isHalf ? cpus.filter((name) => name === 'cortex-a76') : cpus)
          print(await estimate({ plugin, subject, cpu, folder }));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`cycles: ${error.message}`);
  process.exitCode = 1;
});
