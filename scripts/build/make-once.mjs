import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Makes a folder by `make(temporary folder)` and renames it into place; who comes second takes what is there. */
export function once(home, make) {
  if (existsSync(home)) return;
  mkdirSync(dirname(home), { recursive: true });
  const temporary = mkdtempSync(join(dirname(home), '.new-'));
  try {
    make(temporary);
    chmodSync(temporary, 0o755);
    renameSync(temporary, home);
  } catch (error) {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
