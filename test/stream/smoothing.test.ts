import { describe, expect, it } from 'vitest';
import { Smoothing } from '../../lib/stream/smoothing.js';

describe('smoothing', () => {
  it('begins with the first frame as it is', () => {
    expect(new Smoothing({ alpha: 0.5 }).add(Float64Array.of(0.2, 0.8))).toEqual({
      averages: Float64Array.of(0.2, 0.8),
      leader: 1,
    });
  });

  it('moves towards a new frame by its share', () => {
    const smoothing = new Smoothing({ alpha: 0.25 });
    smoothing.add(Float64Array.of(1, 0));
    expect([...smoothing.add(Float64Array.of(0, 1)).averages]).toEqual([0.75, 0.25]);
  });

  it('keeps its label while two classes take turns', () => {
    const smoothing = new Smoothing({ alpha: 0.5, lead: 0.2 });
    smoothing.add(Float64Array.of(0.6, 0.4));
    const leaders = Array.from({ length: 20 }, (_, i) =>
      smoothing.add(i % 2 === 0 ? Float64Array.of(0.45, 0.55) : Float64Array.of(0.55, 0.45)),
    ).map(({ leader }) => leader);
    expect(new Set(leaders)).toEqual(new Set([0]));
  });

  it('changes its label when another one clearly leads', () => {
    const smoothing = new Smoothing({ alpha: 0.5, lead: 0.2 });
    smoothing.add(Float64Array.of(0.9, 0.1));
    expect(smoothing.add(Float64Array.of(0.3, 0.7)).leader).toBe(0);
    expect(smoothing.add(Float64Array.of(0, 1)).leader).toBe(1);
  });
});
