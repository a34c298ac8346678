// Adds up the reports of a CI run:  node .ci/totals.mjs REPORT_FOLDER [FAILED STAGE...]
// Prints each failed test's name with the start of its message, and "N passed, N failed, N skipped" alone on the last
// line: who sees only the end of the log knows what to mend. Exit code 1 when a test or a stage failed or no test ran.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, ...failedStages] = process.argv.slice(2);
/** One entry a test. A test that one run skipped and another ran (test/arm64) counts as run. */
const states = new Map();
/** What the failed tests are called and said. */
const failures = [];
const rank = { skipped: 0, passed: 1, failed: 2 };

function record(name, state, title = name, messages = []) {
  if (state === 'failed') failures.push(`${title}\n  ${messages.join('\n').slice(0, 1500)}`);
  const before = states.get(name);
  if (before === undefined || rank[state] > rank[before]) states.set(name, state);
}

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  for (const suite of report.testResults ?? []) {
    // A file that broke before its first test has no assertions but is a failure.
    if (suite.status === 'failed' && suite.assertionResults.length === 0)
      record(suite.name, 'failed', suite.name, [suite.message]);
    suite.assertionResults.forEach((test, index) => {
      const state = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
      // By place: names may repeat in a file, and a skipped test may say so in its name.
      record(`${suite.name} ${index}`, state, `${suite.name}: ${test.fullName}`, test.failureMessages);
    });
  }
  for (const suite of report.testsuites ?? []) {
    for (const test of suite.testsuite) {
      const state = test.failures?.length > 0 ? 'failed' : test.result === 'COMPLETED' ? 'passed' : 'skipped';
      const messages = test.failures?.map((each) => each.failure);
      record(`${suite.name}.${test.name}`, state, `${suite.name}.${test.name}`, messages);
    }
  }
}

const count = (state) => [...states.values()].filter((each) => each === state).length;
// A stage may fail without a failed test (a build, a crash): it counts as one, so that the line never says 0 failed
// then.
const failed = Math.max(count('failed'), failedStages.length > 0 ? 1 : 0);
for (const each of failures) console.log(`\nfailed: ${each}`);
console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`);
process.exitCode = failed > 0 || count('passed') === 0 ? 1 : 0;
