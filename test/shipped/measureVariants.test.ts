import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  cacheFile,
  chooseByMeasurement,
  type MeasuredCandidate,
  type MeasureOptions,
} from '../../lib/shipped/measureVariants.js';
import { randomModel } from '../randomModel.js';

let folder: string;
let cache: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-measure-'));
  cache = join(folder, 'deep', 'measured.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const candidate = (name: string, identity = name): MeasuredCandidate => {
  return { name, identity, sparse: false, fp16: false, consume: true, load: async () => randomModel() };
};
const both = [candidate('float'), candidate('int8')];

/** A measurement whose result is known, and how often it was asked for. */
function known(
  ms: Record<string, number>,
  more: Partial<MeasureOptions> = {},
): MeasureOptions & { asked: () => number } {
  let asked = 0;
  return {
    tolerance: 0.05,
    cache,
    machine: async () => ['cpu', '0.1.0', 'binary'],
    measure: async () => {
      asked++;
      return ms;
    },
    ...more,
    asked: () => asked,
  };
}

describe('the choice by measuring', () => {
  it('is the fastest', async () => {
    const { variant, reason, ms } = await chooseByMeasurement(both, known({ float: 2, int8: 1.5 }));
    expect(variant).toBe('int8');
    expect(reason).toMatch(/^float 2\.00 ms, int8 1\.50 ms \(measured now\)$/);
    expect(ms).toEqual({ float: 2, int8: 1.5 });
  });

  it('is the preferred of those equally fast', async () => {
    expect((await chooseByMeasurement(both, known({ float: 2.09, int8: 2 }))).variant).toBe('float');
    expect((await chooseByMeasurement(both, known({ float: 2.11, int8: 2 }, { cache: `${cache}2` }))).variant).toBe(
      'int8',
    );
  });

  it('runs the candidates when nothing is put in their place', async () => {
    const { variant, ms } = await chooseByMeasurement([candidate('a'), candidate('b')], { tolerance: 1e9, cache });
    expect(variant).toBe('a');
    for (const time of Object.values(ms!)) expect(time).toBeGreaterThan(0);
  });
});

describe('the cache', () => {
  it('is asked instead of measuring again', async () => {
    const options = known({ float: 2, int8: 1 });
    await chooseByMeasurement(both, options);
    const { variant, reason } = await chooseByMeasurement(both, options);
    expect([options.asked(), variant]).toEqual([1, 'int8']);
    expect(reason).toContain(cache);
    expect(readdirSync(dirname(cache))).toEqual(['measured.json']);
  });

  it.each<[string, readonly MeasuredCandidate[], Partial<MeasureOptions>]>([
    ['another CPU, version or binary', both, { machine: async () => ['cpu', '0.1.0', 'other binary'] }],
    ['other threads', both, { threads: 3 }],
    ['another model of the same name', [both[0]!, candidate('int8', 'retrained')], {}],
    ['one more model', [...both, candidate('static')], {}],
  ])('is not asked for %s, and keeps what it has', async (_, candidates, more) => {
    const first = known({ float: 2, int8: 1 });
    await chooseByMeasurement(both, first);
    const second = known({ float: 1, int8: 2, static: 3 }, more);
    expect((await chooseByMeasurement(candidates, second)).variant).toBe('float');
    expect(second.asked()).toBe(1);
    await chooseByMeasurement(both, first);
    expect(first.asked()).toBe(1);
  });

  it.each([
    ['nothing', ''],
    ['half a file', '{"format":1,"entries":[{"key":'],
    ['another format', '{"format":2,"entries":[]}'],
    ['something else', '[1, 2, 3]'],
    ['no entries', '{"format":1,"entries":null}'],
    ['binary', '\0\0\0'],
  ])('that holds %s is written anew', async (_, content) => {
    mkdirSync(dirname(cache));
    writeFileSync(cache, content);
    const options = known({ float: 2, int8: 1 });
    expect((await chooseByMeasurement(both, options)).variant).toBe('int8');
    await chooseByMeasurement(both, options);
    expect(options.asked()).toBe(1);
  });

  it.each([{ float: 2, int8: -1 }, { float: 2, int8: 'fast' }, { float: 2 }, null])(
    'that holds the times %j is not believed',
    async (ms) => {
      const options = known({ float: 1, int8: 2 });
      await chooseByMeasurement(both, options);
      const content = JSON.parse(readFileSync(cache, 'utf8'));
      content.entries[0].ms = ms;
      writeFileSync(cache, JSON.stringify(content));
      expect((await chooseByMeasurement(both, options)).variant).toBe('float');
      expect(options.asked()).toBe(2);
    },
  );

  it('that can not be written costs nothing but the next measurement', async () => {
    writeFileSync(join(folder, 'deep'), 'a file where the folder should be');
    const options = known({ float: 2, int8: 1 });
    expect((await chooseByMeasurement(both, options)).variant).toBe('int8');
    chmodSync(folder, 0o755);
  });

  it('lies where XDG_CACHE_HOME says, if that is a full path', () => {
    expect(cacheFile({ XDG_CACHE_HOME: '/somewhere' })).toBe(join('/somewhere', 'neonsense', 'measured.json'));
    expect(cacheFile({ XDG_CACHE_HOME: 'relative' })).toBe(cacheFile({}));
    expect(cacheFile({})).toMatch(/[\\/](\.cache|Caches)[\\/]neonsense[\\/]measured\.json$/);
  });
});
