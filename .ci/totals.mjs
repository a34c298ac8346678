// Adds up the reports of a CI run:  node .ci/totals.mjs REPORT_FOLDER [FAILED STAGE...]
// Prints "N passed, N failed, N skipped" alone on the last line. Exit code 1 when a test or a stage failed or no test
// ran.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, ...failedStages] = process.argv.slice(2);
/** One entry a test. A test that one run skipped and another ran (test/arm64) counts as run. */
const states = new Map();
const rank = { skipped: 0, passed: 1, failed: 2 };

function record(name, state) {
  const before = states.get(name);
  if (before === undefined || rank[state] > rank[before]) states.set(name, state);
}

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  for (const suite of report.testResults ?? []) {
    // A file that broke before its first test has no assertions but is a failure.
    if (suite.status === 'failed' && suite.assertionResults.length === 0) record(suite.name, 'failed');
    suite.assertionResults.forEach((test, index) => {
      const state = test.status === 'passed' || test.status === 'failed' ? test.status : 'skipped';
      // By place: names may repeat in a file, and a skipped test may say so in its name.
      record(`${suite.name} ${index}`, state);
    });
  }
  for (const suite of report.testsuites ?? []) {
    for (const test of suite.testsuite) {
      const state = test.failures?.length > 0 ? 'failed' : test.result === 'COMPLETED' ? 'passed' : 'skipped';
      record(`${suite.name}.${test.name}`, state);
    }
  }
}

const count = (state) => [...states.values()].filter((each) => each === state).length;
// A stage may fail without a failed test (a build, a crash): it counts as one, so that the line never says 0 failed
// then.
const failed = Math.max(count('failed'), failedStages.length > 0 ? 1 : 0);
console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`);
process.exitCode = failed > 0 || count('passed') === 0 ? 1 : 0;
