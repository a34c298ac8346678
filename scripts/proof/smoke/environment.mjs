import { join } from 'node:path';

/**
 * This process's environment without what would change how a package manager or the library behaves: settings of an npm
 * or a test runner that is above us, of the user, of a proxy for our own registry, and binaries chosen by hand.
 *
 * @param {string} home Takes the place of the user's home, so that caches and settings are new.
 */
export function cleanEnvironment(home) {
  const disturbing =
    /^(npm_|yarn_|pnpm_|bun_|deno_|corepack_|neonsense_|vitest|vite_|xdg_|(node_(options|path|env)|test|init_cwd)$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !disturbing.test(name));
  const local = '127.0.0.1,localhost';
  return {
    ...Object.fromEntries(kept),
    HOME: join(home, 'home'),
    NO_PROXY: local,
    no_proxy: local,
    CI: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  };
}
