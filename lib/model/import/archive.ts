import { invalidArgument } from '../../errors.js';
import type { Budget } from '../../files/limits.js';
import type { Model } from '../model.js';
import { isNpz, readNpz } from './npz.js';
import { readTorchModel } from './torch/readTorchModel.js';
import { readZip } from './torch/zip.js';

/**
 * Reads a network from a zip archive: what PyTorch saved, or NumPy arrays.
 *
 * @param key Chooses among several networks of a checkpoint.
 * @throws {NeonsenseError} as `readTorchModel` and `readNpz` do.
 */
export function readArchive(archive: Uint8Array, budget: Budget, key?: string): Model {
  const entries = readZip(archive, budget);
  if (!isNpz(entries)) return readTorchModel(entries, budget, key);
  if (key !== undefined) throw invalidArgument('options.key', 'nothing for a file that holds one network', key);
  return readNpz(entries, budget);
}
