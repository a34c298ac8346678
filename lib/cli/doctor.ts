import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { type DoctorReport, diagnose } from '../doctor/doctor.js';
import { examineRuntime, type RuntimeReport } from '../doctor/runtime.js';
import type { SelfTestResult } from '../shipped/selfTest.js';
import { grouped } from '../text/units.js';
import { type Colours, coloursOf, columnsOf, NO_SCREEN, type Screen } from './terminal.js';
import { bar, printable, wrapped } from './text.js';
import { addFormats } from './vocabulary.js';

interface Options {
  readonly json?: boolean | undefined;
  readonly inProcess?: boolean | undefined;
}

const LABEL_CELLS = 12;

/** Adds `neonsense doctor`. */
export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description('show what neonsense finds on this machine and whether it works; belongs into every bug report')
    .option('--in-process', 'do not examine in a process of its own, which survives a crash of the addon')
    .addHelpText('after', '\nThe exit code is 0 when all is well and 1 when something is broken.');
  addFormats(command, ['text', 'json']).action(run);
}

async function run({ json, inProcess }: Options): Promise<void> {
  const report = inProcess === true ? await diagnose() : await diagnoseApart();
  process.stdout.write(`${json === true ? JSON.stringify(report) : reportText(report, process.stdout)}\n`);
  if (!report.healthy) process.exitCode = 1;
}

/**
 * Examines in another process: a binary for another CPU ends it with SIGILL, and the report should say so. Where no
 * process can be started, in this one.
 */
async function diagnoseApart(): Promise<DoctorReport> {
  const { code, signal, output } = await runApart();
  if (signal !== null)
    return diagnose({ runtime: () => withoutAddon(`Loading or running the addon ends the process with ${signal}`) });
  try {
    if (code === 0 || code === 1) return JSON.parse(output) as DoctorReport;
  } catch {
    // Not our output, so there was no doctor.
  }
  return diagnose();
}

function runApart(): Promise<{ code: number | null; signal: string | null; output: string }> {
  return new Promise((resolve) => {
    const args = [...process.execArgv, process.argv[1] ?? '', 'doctor', '--json', '--in-process'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', () => resolve({ code: null, signal: null, output }));
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

/** The runtime's report without touching the addon, which is known to crash. */
function withoutAddon(problem: string): RuntimeReport {
  const advice = `${problem}: build it on this machine (npx neonsense build), and please report it`;
  const report = examineRuntime(() => ({ attempts: [] }));
  return { ...report, problems: [advice] };
}

/** The report for people, with bars and colours on a terminal. */
export function reportText(report: DoctorReport, screen: Screen = NO_SCREEN): string {
  const colours = coloursOf(screen);
  const bars = screen.isTTY;
  const { binary, cpu, kernels, threads, memory, choice, sharp } = report;
  const lines: string[] = [`neonsense ${report.version} in ${printable(report.package)}`, ''];
  const line = (label: string, ...texts: string[]): void => {
    texts
      .flatMap((text) => wrapped(text, columnsOf(screen) - LABEL_CELLS - 2))
      .forEach((text, i) =>
        lines.push(`  ${colours.dim((i === 0 ? label : '').padEnd(LABEL_CELLS))}${text}`.trimEnd()),
      );
  };
  const runtime = report.electron === null ? '' : `, Electron ${report.electron}`;
  line(
    'system',
    [report.platform, `kernel ${report.kernel}`, ...(report.libc === null ? [] : [report.libc])].join(', '),
  );
  line('node', `${report.node}, Node-API ${report.nodeApi}${runtime}`);
  if (binary.loaded) {
    const origin = { NEONSENSE_BINARY: 'named by NEONSENSE_BINARY', build: 'built here', prebuild: 'prebuilt' }[
      binary.origin
    ];
    line('binary', binary.file, `${origin}, ${grouped(binary.bytes)} bytes`);
  } else {
    line('binary', 'could not be loaded', ...binary.attempts.map(({ file, why }) => `${file}: ${why}`));
  }
  if (cpu === null) {
    line('cpu', 'unknown without the binary');
  } else {
    line(
      'cpu',
      `${cpu.name || 'of no known name'}, ${cpu.cores} cores`,
      `features: ${cpu.features.join(' ') || 'none'}`,
    );
  }
  if (kernels !== null)
    line('kernels', `FP32 ${kernels.fp32}; INT8 ${kernels.int8}; FP16 ${kernels.fp16 ?? 'none, runs as FP32'}`);
  if (threads !== null) line('threads', `${threads.default} by default: ${threads.why}`);
  const limit = memory.limit === null ? '' : `, limited to ${mib(memory.limit)}`;
  line('memory', `${mib(memory.available)} available of ${mib(memory.total)}${limit}`);
  line('sharp', sharp.version ?? sharp.problem ?? 'of no known version');
  line(
    'models',
    ...(report.models.length === 0
      ? ['none']
      : report.models.map(({ name, state }) => `${name}${state === 'present' ? '' : `: ${state}`}`)),
  );
  if (choice !== null) line('chosen', `${choice.variant}: ${choice.reason}`);
  if (report.selfTest.length > 0)
    line('self-test', ...report.selfTest.map((result) => selfTestText(result, bars, colours)));
  const [said = '', ...rest] = verdict(report);
  lines.push('', (report.healthy ? colours.green : colours.red)(said), ...rest);
  return lines.join('\n');
}

function selfTestText(
  { precision, state, what, difference, tolerance }: SelfTestResult,
  bars: boolean,
  { green, red }: Colours,
): string {
  const mark = { passed: green('ok  '), failed: red('FAIL'), skipped: '-   ' }[state];
  const name = `${mark} ${precision.padEnd('fp16 arithmetic'.length)}`;
  if (difference === null) return `${name} ${what}`;
  const off = `off by ${(100 * difference).toFixed(3)} % of the range, at most ${100 * tolerance} % allowed`;
  return `${name} ${off}${bars ? ` ${bar(difference / tolerance, 8).padEnd(8)}` : ''} (${what})`;
}

function verdict({ healthy, problems }: DoctorReport): string[] {
  if (healthy) return ['All is well.'];
  return [`${problems.length === 1 ? 'One thing is' : `${problems.length} things are`} broken:`].concat(
    problems.flatMap((problem) => problem.split('\n').map((text, i) => `${i === 0 ? '* ' : '  '}${printable(text)}`)),
  );
}

function mib(bytes: number): string {
  return `${grouped(Math.round(bytes / 2 ** 20))} MiB`;
}
