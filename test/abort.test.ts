import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort, untilAborted } from '../lib/abort.js';

const forever = (): Promise<never> => new Promise(() => undefined);

describe('a signal', () => {
  it('has one listener for all calls that share it, and none when they are done', async () => {
    const { signal } = new AbortController();
    const ends: (() => void)[] = [];
    const calls = Array.from({ length: 40 }, () =>
      untilAborted(signal, new Promise<void>((resolve) => ends.push(resolve))),
    );
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const end of ends) end();
    await Promise.all(calls);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends every call at once, with its reason', async () => {
    const controller = new AbortController();
    const calls = Array.from({ length: 3 }, () => untilAborted(controller.signal, forever()));
    controller.abort('why not');
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError', cause: 'why not' });
    }
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('that has fired ends a call before it begins, and hides no failure of the work', async () => {
    const signal = AbortSignal.abort();
    await expect(untilAborted(signal, forever())).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(untilAborted(signal, Promise.reject(new Error('late')))).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('tells only those that did not take it back, whoever takes back while it tells', () => {
    const controller = new AbortController();
    const told: string[] = [];
    const forget = onAbort(controller.signal, () => told.push('forgotten'));
    onAbort(controller.signal, () => {
      told.push('first');
      forgetLast();
    });
    const forgetLast = onAbort(controller.signal, () => told.push('last'));
    forget();
    controller.abort();
    expect(told).toEqual(['first']);
  });
});

describe('work', () => {
  it('that ends first keeps its result or failure', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(signal, Promise.resolve(7))).toBe(7);
    await expect(untilAborted(signal, Promise.reject(new Error('own')))).rejects.toThrow('own');
    expect(await untilAborted(undefined, Promise.resolve(8))).toBe(8);
  });
});
