#!/usr/bin/env node
// Makes a model file of weights in the names of Keras' network (scripts/train/network.py):
//
//   node scripts/train/convert.mjs build-train/household.npz models/household-fp32.safetensors --confidence FILE --card FILE
//   node scripts/train/convert.mjs ../shared/checkpoints/keras-mobilenetv3-small-imagenet-notop.npz models/features-imagenet.safetensors
//
//   --confidence FILE   JSON {"temperature", "rejectBelow"?, "rejectClass"?}: how its logits become answers
//   --card FILE         JSON object with what is known of the training: the details of the provenance's `train` step
//
// Weights without a head become a network that gives features. Needs dist/ (npm run build:ts), not the addon.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { writeModel } from '../../dist/index.js';
import { readNpz } from './npz.mjs';

/** The classes in the order of the logits. */
const LABELS = [
  ...['clock', 'keyboard', 'lamp', 'telephone', 'television', 'bed', 'chair', 'couch', 'table', 'wardrobe'],
  'other',
];
/** Stride and activation of the blocks (Howard et al. 2019, table 2); the rest is in the weights' shapes. */
const BLOCKS = [
  ...[2, 2, 1].map((stride) => ({ stride, activation: 'relu' })),
  ...[2, 1, 1, 1, 1, 2, 1, 1].map((stride) => ({ stride, activation: 'hard-swish' })),
];
/** Keras takes pixels from -1 to 1; a photograph is averaged down to the network's input, whatever its sides. */
const PREPROCESSING = { reduce: [224, 224], size: [224, 224], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

const { source, target, confidence, card } = await readArguments();
const bytes = await readFile(source);
const arrays = readNpz(bytes);
const layers = new Map();

const stem = take('stem', 'features.0.0');
const blocks = BLOCKS.map(({ stride, activation }, index) => {
  const [own, name] = [`features.${index + 1}`, `features.${index + 1}.block`];
  const hasExpansion = arrays.has(`${own}.exp.weight`);
  let part = 0;
  const expansion = hasExpansion ? take(`${own}.exp`, `${name}.${part++}.0`) : undefined;
  const depthwise = take(`${own}.dw`, `${name}.${part++}.0`);
  const squeezes = arrays.has(`${own}.se.fc1.weight`);
  const squeeze = squeezes ? take(`${own}.se.fc1`, `${name}.${part}.fc1`)[0] : 0;
  if (squeezes) take(`${own}.se.fc2`, `${name}.${part++}.fc2`);
  const [output] = take(`${own}.pr`, `${name}.${part}.0`);
  const [expanded, , kernel] = depthwise;
  return { kernel, input: expansion?.[1] ?? expanded, expanded, output, squeeze, activation, stride, hasExpansion };
});
const last = take('last', `features.${BLOCKS.length + 1}.0`);
const hasHead = arrays.has('head.weight');
const hidden = arrays.has('hidden.weight') ? takeTransposed('hidden', 'classifier.0') : 0;
if (hasHead) takeTransposed('head', hidden === 0 ? 'classifier' : 'classifier.3');
const labels = hasHead ? LABELS : [];
const conversion = { from: basename(source), sha256: createHash('sha256').update(bytes).digest('hex') };
// What is wrong with the layers or the confidence is said by writeModel, which checks all it writes.
const { bytes: written } = await writeModel(
  {
    architecture: {
      name: 'mobilenet_v3_small',
      stem: stem[0],
      blocks,
      last: last[0],
      hidden,
      classes: labels.length,
      padding: 'same',
    },
    labels,
    preprocessing: PREPROCESSING,
    precision: 'fp32',
    layers,
    ...(confidence === undefined ? {} : { confidence }),
    provenance: [
      ...(card === undefined ? [] : [{ step: 'train', details: card }]),
      { step: 'convert', details: conversion },
    ],
  },
  target,
);
console.log(`${target}: ${written} bytes`);

/** Moves one layer over under its name in a model file; gives its weight's shape. */
function take(name, called) {
  const [weight, bias] = [arrays.get(`${name}.weight`), arrays.get(`${name}.bias`)];
  if (weight === undefined || bias === undefined) throw new Error(`${source} has no ${name}.weight and ${name}.bias`);
  layers.set(called, { weights: { type: 'f32', data: weight.data }, bias: bias.data });
  return weight.shape;
}

/** The same of a matrix that the file has the other way around, [inputs, outputs]; gives its outputs. */
function takeTransposed(name, called) {
  const { shape, data } = arrays.get(`${name}.weight`);
  const [inputs, outputs] = shape;
  const weight = Float32Array.from(
    { length: data.length },
    (_, i) => data[(i % inputs) * outputs + Math.floor(i / inputs)],
  );
  layers.set(called, { weights: { type: 'f32', data: weight }, bias: arrays.get(`${name}.bias`).data });
  return outputs;
}

async function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { confidence: { type: 'string' }, card: { type: 'string' } },
    });
    const [from, to, ...rest] = positionals;
    if (from === undefined || to === undefined || rest.length > 0) throw new Error('expected two file names');
    return {
      source: from,
      target: to,
      confidence: await readJson(values.confidence),
      card: await readJson(values.card),
    };
  } catch (error) {
    console.error(`convert: ${error.message}`);
    console.error(
      'Usage: node scripts/train/convert.mjs WEIGHTS.npz MODEL.safetensors [--confidence FILE] [--card FILE]',
    );
    process.exit(2);
  }
}

/** A JSON object from a file, undefined where no file is named. */
async function readJson(file) {
  if (file === undefined) return undefined;
  let value;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file}: ${error.message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${file} holds no object`);
  return value;
}
