import { describe, expect, it } from 'vitest';
import { machineLimit } from '../lib/machineLimit.js';

const system = (code: string, message = `${code}: whatever the system says`, syscall = 'open'): Error =>
  Object.assign(new Error(message), { code, syscall });

describe('limits of the machine are named as such', () => {
  it.each([
    ['file handles', system('EMFILE'), /open files \(ulimit -n\)/],
    ['file handles of the whole system', system('ENFILE'), /open files/],
    [
      'handles a library asked for',
      new Error('libfoo.so: cannot open shared object file: Too many open files'),
      /open/,
    ],
    ['memory', system('ENOMEM'), /not enough memory/],
    ['memory that a library asked for', new Error('vips2jpeg: out of memory'), /not enough memory/],
    ['memory for an array', new RangeError('Array buffer allocation failed'), /not enough memory/],
    ['a full disk', system('ENOSPC'), /disk is full/],
    ['a disk quota', system('EDQUOT'), /disk is full, or its quota/],
    ['a read-only file system', system('EROFS'), /read-only/],
    ['processes', system('EAGAIN', 'spawn node EAGAIN', 'spawn node'), /threads or processes/],
    ['addons that Node may not load', system('ERR_DLOPEN_DISABLED', 'Cannot load native addon'), /--allow-addons/],
    ['files that Node may not read', system('ERR_ACCESS_DENIED', 'Access to this API'), /--allow-fs-read/],
  ])('%s', (_, error, expected) => {
    expect(machineLimit(error)).toMatch(expected);
  });

  it.each([
    ['a missing file', system('ENOENT')],
    ['a pipe with nothing in it', system('EAGAIN', 'EAGAIN: resource temporarily unavailable, read', 'read')],
    ['a missing file of a telling name', system('ENOENT', "ENOENT: no such file, open '/tmp/out of memory/EMFILE'")],
    ['a damaged picture', new Error('VipsJpeg: premature end of JPEG image')],
    ['no error at all', undefined],
    ['null', null],
    ['a string', 'EMFILE'],
  ])('%s is none', (_, error) => {
    expect(machineLimit(error)).toBeUndefined();
  });
});
