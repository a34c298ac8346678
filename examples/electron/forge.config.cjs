module.exports = {
  packagerConfig: {
    // Programs can't be loaded out of an archive, so the binaries lie beside it: ours, and sharp's with its libraries.
    asar: { unpack: '{**/node_modules/neonsense/prebuilds/**,**/node_modules/{sharp,@img}/**}' },
    extendInfo: { NSCameraUsageDescription: 'It says what the camera sees. Pictures stay on this computer.' },
  },
  // neonsense is Node-API: the same binary runs in Node and in every Electron, so there is nothing to rebuild.
  rebuildConfig: { onlyModules: [] },
  plugins: [{ name: '@electron-forge/plugin-auto-unpack-natives', config: {} }],
};
