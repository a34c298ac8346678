module.exports = {
  packagerConfig: {
    // Programs can't be loaded out of an archive, so the binaries lie beside it.
    asar: { unpack: '**/node_modules/neonsense/prebuilds/**' },
  },
  // neonsense is Node-API: the same binary runs in Node and in every Electron, so there is nothing to rebuild.
  rebuildConfig: { onlyModules: [] },
  plugins: [{ name: '@electron-forge/plugin-auto-unpack-natives', config: {} }],
};
