// Zig as the C and C++ compiler of a cross build: installing it, and wrappers that make it look like clang to CMake and
// ccache.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/**
 * Path of the zig program: NEONSENSE_ZIG, or the PyPI package pinned in requirements.txt, installed once into
 * build-tools/.
 * @param {string} root  project folder
 */
export function installZig(root) {
  if (process.env.NEONSENSE_ZIG) return process.env.NEONSENSE_ZIG;
  const requirements = join(root, 'scripts', 'build', 'cross', 'requirements.txt');
  const version = /^ziglang==(\S+)/m.exec(readFileSync(requirements, 'utf8'))[1];
  const tools = join(root, 'build-tools');
  const home = join(tools, `ziglang-${version}`);
  const zig = join(home, 'ziglang', 'zig');
  if (existsSync(zig)) return zig;
  console.log(`installing ziglang ${version} (a compiler for every target, about 75 MB to download) ...`);
  mkdirSync(tools, { recursive: true });
  const temporary = mkdtempSync(join(tools, '.ziglang-'));
  try {
    const result = spawnSync(
      'python3',
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--require-hashes',
        '--target',
        join(temporary, 'x'),
        '-r',
        requirements,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'inherit', 'pipe'] },
    );
    if (result.status !== 0) {
      throw new Error(
        `python3 -m pip could not install ziglang ${version}: ${result.error?.message ?? result.stderr.trim()}\n` +
          'On Debian: apt-get install python3-pip. Or set NEONSENSE_ZIG to a zig program of that version.',
      );
    }
    renameSync(join(temporary, 'x'), home);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return zig;
}

/**
 * Writes the wrappers cc, c++, ar, ranlib and rc into `folder`, for Darwin also an install_name_tool that is never called.
 * @returns {Record<string, string>} environment that lets ccache share what it compiled between checkouts
 */
export function writeWrappers(folder, zig, target, root) {
  mkdirSync(folder, { recursive: true });
  for (const language of ['cc', 'c++'])
    writeProgram(join(folder, language), compilerWrapper(quote(zig), language, target));
  for (const tool of ['ar', 'ranlib', 'rc'])
    writeProgram(join(folder, tool), `#!/bin/sh\nexec ${quote(zig)} ${tool} "$@"\n`);
  if (target.system === 'Darwin') writeProgram(join(folder, 'install_name_tool'), '#!/bin/sh\nexit 1\n');
  // The wrapper differs between checkouts by the path of zig alone, so its identity for ccache leaves that path out.
  const version = spawnSync(zig, ['version'], { encoding: 'utf8' }).stdout.trim();
  const identity = createHash('sha256')
    .update(`${version}\n${compilerWrapper('zig', 'cc', target)}`)
    .digest('hex');
  return {
    CCACHE_COMPILERTYPE: 'clang',
    CCACHE_COMPILERCHECK: `string:zig-${identity}`,
    CCACHE_BASEDIR: root,
    CCACHE_NOHASHDIR: '1',
  };
}

/**
 * Zig names CPU features its own way and refuses clang's -march; it passes neither its own -mcpu nor -Xclang on to the
 * assembler. So `-march=armv8.2-a+X+Y`, or armv8-a, becomes single target features for C (without all the rest of
 * armv8.2-a, which would allow LSE atomics) and -Wa,-march for assembly. --exclude-libs, which Zig's linker lacks, is
 * dropped: the version script hides the same symbols.
 */
function compilerWrapper(zig, language, target) {
  const flags = (target.flags ?? []).join(' ');
  return `#!/bin/bash
assembly=
for argument in "$@"; do
  case $argument in *.S) assembly=1 ;; esac
done
arguments=()
for argument in "$@"; do
  case $argument in
    -march=armv8-a+* | -march=armv8.2-a+*)
      if [ -n "$assembly" ]; then
        arguments+=("-Wa,$argument")
      else
        features=\${argument#*-a+}
        for feature in \${features//+/ }; do
          [ "$feature" = fp16 ] && feature=fullfp16
          arguments+=(-Xclang -target-feature -Xclang "+$feature")
        done
      fi ;;
    -Wl,--exclude-libs,*) ;;
${CASES[target.processor] ?? ''}    *) arguments+=("$argument") ;;
  esac
done
exec ${zig} ${language} -target ${target.zig} -fno-sanitize=undefined ${flags} "\${arguments[@]}"
`;
}

/** What only some targets need, by CMake's name of the processor. */
const CASES = {
  // Zig's plain x86-64 switches off 512-bit vectors by name, which -mavx512f alone does not take back.
  x86_64: `    -mavx512f) arguments+=("$argument" -Xclang -target-feature -Xclang +evex512) ;;
`,
  // Darwin's name for it. Zig's linker makes no bundles, but Node loads a dynamic library as well.
  arm64: `    -bundle) arguments+=(-shared) ;;
`,
};

/** An unchanged wrapper keeps its time stamp, so that ninja does not rebuild everything. */
function writeProgram(file, content) {
  if (existsSync(file) && readFileSync(file, 'utf8') === content) return;
  writeFileSync(file, content);
  chmodSync(file, 0o755);
}

function quote(path) {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
