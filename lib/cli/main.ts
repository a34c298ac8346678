#!/usr/bin/env node
import { runProgram } from './program.js';

await runProgram(
  {
    classify: () => import('./classify.js'),
    inspect: () => import('./inspect.js'),
    convert: () => import('./convert.js'),
    compress: () => import('./compress.js'),
    compare: () => import('./compare.js'),
    evaluate: () => import('./evaluate.js'),
    bench: () => import('./bench.js'),
    ab: () => import('./ab.js'),
    watch: () => import('./watch.js'),
    serve: () => import('./serve.js'),
    embed: () => import('./embed.js'),
    learn: () => import('./learn.js'),
    export: () => import('./export.js'),
    doctor: () => import('./doctor.js'),
    build: () => import('./build.js'),
    completion: () => import('./completion.js'),
  },
  process.argv.slice(2),
);
