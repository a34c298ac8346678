// fast-check with one seed for all: the same values in each run, so that a run which fails blames the change it looks
// at. Others by hand, before a release for example:  NEONSENSE_SEED=7 npx vitest run test/hostile
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['NEONSENSE_SEED'] ?? 1) });

export default fc;
