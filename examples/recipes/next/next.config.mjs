export default {
  output: 'standalone',
  serverExternalPackages: ['neonsense', 'sharp'],
};
