import { describe, expect, it } from 'vitest';
import { cgroupCpus, defaultThreads } from '../../lib/runtime/threads.js';

const reading = (files: Record<string, string>) => (file: string) => {
  const content = files[file];
  if (content === undefined) throw new Error(`no ${file}`);
  return content;
};

describe('cgroupCpus', () => {
  it('is unlimited without control groups', () => {
    expect(cgroupCpus(reading({}))).toBe(Infinity);
  });

  it('reads the quota of cgroup v2', () => {
    const files = { '/proc/self/cgroup': '0::/app.slice\n', '/sys/fs/cgroup/app.slice/cpu.max': '150000 100000\n' };
    expect(cgroupCpus(reading(files))).toBe(1.5);
  });

  it('takes the tightest quota on the way up to the root', () => {
    const files = {
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/a/cpu.max': '200000 100000\n',
    };
    expect(cgroupCpus(reading(files))).toBe(2);
  });

  it('reads the root inside a container, where the path of the host does not exist', () => {
    const files = { '/proc/self/cgroup': '0::/docker/1234\n', '/sys/fs/cgroup/cpu.max': '50000 100000\n' };
    expect(cgroupCpus(reading(files))).toBe(0.5);
  });

  it('reads the quota of cgroup v1, where -1 means none', () => {
    const files = (quota: string): Record<string, string> => ({
      '/proc/self/cgroup': '4:cpu,cpuacct:/\n3:memory:/\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': quota,
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
    });
    expect(cgroupCpus(reading(files('300000')))).toBe(3);
    expect(cgroupCpus(reading(files('-1')))).toBe(Infinity);
  });
});

describe('defaultThreads', () => {
  it('is at least 1 and at most 4, whatever the machine', () => {
    expect(defaultThreads(0)).toBe(1);
    expect(defaultThreads(1)).toBe(1);
    expect(defaultThreads(128)).toBeLessThanOrEqual(4);
  });
});
