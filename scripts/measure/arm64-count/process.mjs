// One process of arm64 Node or Python under qemu-user with the plugin that counts (plugin.c).
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../../..');

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
  if (result.status === 0) return result.stdout;
  const reason =
    result.error?.message ?? (result.stderr.trim().split('\n').slice(-8).join('\n') || `exit code ${result.status}`);
  throw new Error(`${command} ${args.join(' ')} failed: ${reason}`);
}

/**
 * The addon that is counted.
 * @throws {Error} where it was not built
 */
export function arm64Addon() {
  const addon = process.env.NEONSENSE_BINARY ?? join(root, 'build-arm64', 'neonsense.node');
  if (existsSync(addon)) return addon;
  throw new Error(`${relative(root, addon)} is missing: build it with node scripts/build/cross/build.mjs linux-arm64`);
}

/** Compiles the plugin for this machine, where it is older than its source. */
export function preparePlugin() {
  const source = join(here, 'plugin.c');
  const library = join(root, 'build-arm64', 'libcount.so');
  mkdirSync(dirname(library), { recursive: true });
  if (!existsSync(library) || statSync(library).mtimeMs < statSync(source).mtimeMs) {
    run(process.env.CC ?? 'cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', library, source]);
  }
  return library;
}

/** Counts of one process: `{ simd, loadStore, other, elsewhere }`, and what it printed; with `blocks` the plugin's list too. */
export async function countProcess({ plugin, command: [program, ...args], env, module, out, blocks }) {
  let stdout;
  try {
    const plugged = {
      ...process.env,
      ...env,
      QEMU_PLUGIN: `file=${plugin},module=${module},out=${out}${blocks === undefined ? '' : `,blocks=${blocks}`}`,
    };
    ({ stdout } = await promisify(execFile)(program, args, { env: plugged }));
  } catch (error) {
    throw new Error(
      `${args.join(' ')} failed: ${(error.stderr || error.message).trim().split('\n').slice(-8).join('\n')}`,
    );
  }
  const [counts] = readFileSync(out, 'utf8').trimEnd().split('\n');
  rmSync(out);
  return { ...JSON.parse(counts), stdout };
}

/** How a subject is run `runs` times on a CPU. */
export function processOf({ engine, file, module, peer }, cpu, runs) {
  if (peer !== undefined) {
    const { python, program, precision } = peer;
    return {
      module: peer.module,
      command: python.command(cpu, [program, 'run', precision, file, String(runs)]),
      env: python.env,
    };
  }
  const args = [engine, file, String(runs), ...(module === undefined ? [] : [module])];
  return {
    module: engine === 'onnxruntime-node' ? 'onnxruntime' : 'neonsense.node',
    command: [
      process.execPath,
      join(root, 'scripts', 'proof', 'run-arm64.mjs'),
      ...['--cpu', cpu, join(here, 'workload.mjs'), ...args],
    ],
  };
}
