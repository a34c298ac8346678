import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NeonsenseError } from '../../lib/errors.js';
import { findImages } from '../../lib/image/find.js';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'neonsense-find-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

function touch(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '');
  }
}

describe('findImages', () => {
  it('lists every extension, in code-unit order, folders among files', async () => {
    touch('b.JPG', 'B.png', 'a/x.webp', 'a/y.gif', 'c.avif', 'd.tif', 'e.tiff', 'f.jpeg', 'g.txt', 'png', 'h.png.bak');
    const found = (await findImages(root)).map((file) => relative(root, file));
    expect(found).toEqual(['B.png', 'a/x.webp', 'a/y.gif', 'b.JPG', 'c.avif', 'd.tif', 'e.tiff', 'f.jpeg']);
  });

  it('follows links to files and folders, and comes back from a circle of them', async () => {
    touch('real/one.png');
    symlinkSync(join(root, 'real', 'one.png'), join(root, 'link.png'));
    symlinkSync(root, join(root, 'real', 'circle'));
    symlinkSync(join(root, 'real'), join(root, 'zz-again'));
    const found = (await findImages(root)).map((file) => relative(root, file));
    expect(found).toEqual(['link.png', 'real/one.png']);
  });

  it('tells of a dead link and goes on, or throws where nobody wants to be told', async () => {
    touch('deep/good.png');
    symlinkSync(join(root, 'gone'), join(root, 'deep', 'dead.png'));
    const errors: NeonsenseError[] = [];
    const found = await findImages(root, { onUnreadable: (error) => errors.push(error) });
    expect(found).toEqual([join(root, 'deep', 'good.png')]);
    expect(errors.map(({ code, message }) => [code, message])).toEqual([
      ['ERR_NOT_FOUND', `${join(root, 'deep', 'dead.png')} does not exist`],
    ]);
    await expect(findImages(root)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND', message: errors[0]!.message });
  });

  it('says so when there is no picture, no directory, or something else', async () => {
    touch('a.txt');
    await expect(findImages(root)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(findImages(root)).rejects.toThrow(/holds no pictures \(\.jpg, \.jpeg/);
    await expect(findImages(join(root, 'missing'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    await expect(findImages(join(root, 'a.txt'))).rejects.toMatchObject({ code: 'ERR_IO' });
  });
});
