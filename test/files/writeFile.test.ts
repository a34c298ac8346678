import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomically } from '../../lib/files/writeFile.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'neonsense-write-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const onUnix = it.skipIf(process.platform === 'win32');

describe('what is overwritten', () => {
  onUnix('keeps its mode', async () => {
    writeFileSync(at('old'), 'old');
    chmodSync(at('old'), 0o640);
    await writeFileAtomically(at('old'), 'new');
    expect(readFileSync(at('old'), 'utf8')).toBe('new');
    expect(statSync(at('old')).mode & 0o7777).toBe(0o640);
  });

  onUnix('through a symbolic link is the file it leads to; the link stays', async () => {
    mkdirSync(at('elsewhere'));
    writeFileSync(at('elsewhere/file'), 'old');
    symlinkSync('elsewhere/file', at('link'));
    await writeFileAtomically(at('link'), 'new');
    expect(readlinkSync(at('link'))).toBe('elsewhere/file');
    expect(readFileSync(at('elsewhere/file'), 'utf8')).toBe('new');
    expect(readdirSync(at('elsewhere'))).toEqual(['file']);
  });
});

describe('what is left alone', () => {
  onUnix.each([
    ['a directory', (path: string) => mkdirSync(path), /it is a directory/],
    ['a named pipe', (path: string) => execFileSync('mkfifo', [path]), /it is a named pipe/],
    ['a link to a device', (path: string) => symlinkSync('/dev/null', path), /it is a device/],
    ['a link to nothing', (path: string) => symlinkSync('missing', path), /symbolic link to something that does not/],
  ])('%s', async (_, make, message) => {
    make(at('target'));
    const before = lstatSync(at('target'));
    const attempt = writeFileAtomically(at('target'), 'new');
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(attempt).rejects.toThrow(message);
    expect(lstatSync(at('target')).mode).toBe(before.mode);
    expect(readdirSync(folder)).toEqual(['target']);
  });
});

it('a missing directory is said to be missing', async () => {
  await expect(writeFileAtomically(at('no/file'), 'x')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
});
