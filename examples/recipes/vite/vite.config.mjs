export default {
  build: {
    target: 'node20',
    lib: { entry: 'label.mjs', formats: ['es'] },
    rollupOptions: { external: [/^neonsense/, /^node:/] },
  },
};
