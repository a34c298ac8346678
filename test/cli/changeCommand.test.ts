import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChangeCommand } from '../../lib/cli/changeCommand.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-change-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const change = (label: string, frame = 0) => ({ label, probability: 0.5, frame });

describe('the command that is run when the label changes', () => {
  it.each([['"; touch PWNED; "'], ['$(touch PWNED)'], ['`touch PWNED`'], ["'; touch PWNED #"], ['-n'], ['a\nb']])(
    'takes the label %j for a text',
    async (label) => {
      const file = join(folder, 'label');
      const command = new ChangeCommand(`cd '${folder}'; printf '%s|%s' "$1" "$NEONSENSE_LABEL" > label`);
      command.run(change(label));
      await command.finished();
      expect(readFileSync(file, 'utf8')).toBe(`${label}|${label}`);
      expect(existsSync(join(folder, 'PWNED'))).toBe(false);
    },
  );

  it('runs once at a time, and is told the last of the changes that came meanwhile', async () => {
    const file = join(folder, 'order');
    const command = new ChangeCommand(`echo "$1" >> '${file}'; sleep 0.2`);
    for (const label of ['a', 'b', 'c']) command.run(change(label));
    await command.finished();
    expect(readFileSync(file, 'utf8')).toBe('a\nc\n');
  });
});
