export default {
  mode: 'production',
  target: 'node20',
  entry: './label.mjs',
  externals: [/^neonsense(\/|$)/],
  externalsType: 'module',
  experiments: { outputModule: true },
  output: { filename: 'label.mjs', library: { type: 'module' } },
};
