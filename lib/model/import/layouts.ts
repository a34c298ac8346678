import { KERAS, KERAS_FOLDED } from './keras.js';
import type { Translation } from './layout.js';
import type { StateDict } from './stateDict.js';
import { TIMM } from './timm.js';
import { TORCHVISION } from './torchvision.js';

const LAYOUTS = [TORCHVISION, TIMM, KERAS_FOLDED, KERAS];

/**
 * A network's tensors in torchvision's names, whichever library named them. Tensors of no library known here come back
 * as they are.
 *
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` naming what does not fit.
 */
export function translate(tensors: StateDict): Translation {
  const layout = LAYOUTS.find(({ matches }) => matches(tensors));
  return layout === undefined ? { tensors } : layout.translate(tensors);
}
