import { describe, expect, it } from 'vitest';
import { Allowance } from '../../lib/image/allowance.js';

/** Whether a promise is settled once everything that can happen now has happened. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const note = (): void => void (done = true);
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

describe('an allowance', () => {
  it('hands out no more than there is, and the rest when shares come back', async () => {
    const allowance = new Allowance(10);
    const first = await allowance.take(6);
    const second = await allowance.take(4);
    const third = allowance.take(5);
    expect(await settled(third)).toBe(false);
    second();
    expect(await settled(third)).toBe(false);
    first();
    (await third)();
    await allowance.take(10);
  });

  it('a share given back twice counts once', async () => {
    const allowance = new Allowance(2);
    const first = await allowance.take(1);
    await allowance.take(1);
    first();
    first();
    await allowance.take(1);
    expect(await settled(allowance.take(1))).toBe(false);
  });

  it('small shares do not overtake a large one for ever', async () => {
    const allowance = new Allowance(4);
    const held = await allowance.take(1);
    const order: string[] = [];
    const large = allowance.take(4).then((release) => {
      order.push('large');
      release();
    });
    const small = allowance.take(1).then(() => order.push('small'));
    held();
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
  });

  it('who is aborted waits no longer, and keeps nobody else waiting', async () => {
    const allowance = new Allowance(4);
    await allowance.take(3);
    const controller = new AbortController();
    const large = allowance.take(4, controller.signal);
    const small = allowance.take(1);
    expect(await settled(small)).toBe(false);
    controller.abort('enough');
    await expect(large).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
    await small;
    await expect(allowance.take(1, controller.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
