import { describe, expect, it } from 'vitest';
import { atLeast } from '../../lib/image/atLeast.js';
import { PRESETS } from '../../lib/model/preprocessing.js';

describe('what of a picture has to be kept', () => {
  it('for networks of thumbnails: eight pixels for each cell, whatever the shape', () => {
    expect(atLeast(PRESETS.household)!([3000, 4000])).toEqual([256, 256]);
  });

  it('for centre crops: twice what the whole picture is resized to', () => {
    expect(atLeast(PRESETS.torchvision)!([3000, 4000])).toEqual([512, 682]);
  });

  it('for letterboxes: twice what the picture takes of the input', () => {
    const letterbox = {
      fit: 'letterbox',
      interpolation: 'area',
      size: [224, 224],
      mean: [0, 0, 0],
      std: [1, 1, 1],
    } as const;
    expect(atLeast(letterbox)!([2000, 4000])).toEqual([224, 448]);
  });

  it('everything for a preprocessing that picks single pixels', () => {
    expect(atLeast(PRESETS.keras)).toBeUndefined();
  });
});
