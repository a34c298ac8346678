import { describe, expect, it } from 'vitest';
import { Mailbox } from '../../lib/stream/mailbox.js';

describe('the mailbox between a camera and the network', () => {
  it('gives the newest item and counts what it replaced', async () => {
    const box = new Mailbox<number>();
    expect(box.put(1)).toBeUndefined();
    expect(box.put(2)).toBe(1);
    expect(box.put(3)).toBe(2);
    expect(await box.take()).toBe(3);
    expect(box.takeDropped()).toBe(2);
    expect(box.takeDropped()).toBe(0);
  });

  it('waits for an item', async () => {
    const box = new Mailbox<string>();
    const taken = box.take();
    box.put('late');
    expect(await taken).toBe('late');
  });

  it('gives the last item before the end', async () => {
    const box = new Mailbox<string>();
    box.put('last');
    box.end();
    expect(await box.take()).toBe('last');
    expect(await box.take()).toBeUndefined();
  });

  it('throws what the producer ended with, once the last item is taken', async () => {
    const box = new Mailbox<string>();
    box.put('last');
    box.end(new Error('unplugged'));
    expect(await box.take()).toBe('last');
    await expect(box.take()).rejects.toThrow('unplugged');
  });

  it('wakes a waiting consumer at the end', async () => {
    const box = new Mailbox<string>();
    const taken = box.take();
    box.end();
    expect(await taken).toBeUndefined();
  });
});
