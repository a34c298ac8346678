import { describeEnvironment } from '../bench/environment.js';

/** On what something was measured, for a report. */
export function environmentFacts(): Record<string, string> {
  const { cpu, features, platform, node, version, commit, xnnpack } = describeEnvironment();
  return {
    cpu: `${cpu} (${features.join(', ')})`,
    platform: `${platform}, Node ${node}`,
    neonsense: commit === null ? version : `${version} at ${commit.slice(0, 12)}`,
    ...(xnnpack === null ? {} : { XNNPACK: xnnpack }),
  };
}
