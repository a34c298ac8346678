import { wilsonInterval } from '../numbers/interval.js';
import { indexOfLargest } from '../numbers/largest.js';
import type { MethodScore } from './crossValidate.js';
import type { LearnReport } from './learn.js';

/** What held-out answers say: of the photos of the classes how many were named right, and which were not. */
export function judged(
  score: MethodScore | undefined,
  truth: Int32Array,
  labels: readonly string[],
  files: readonly string[],
  rejectClass: number | undefined,
): Pick<LearnReport, 'accuracy' | 'interval' | 'confusion' | 'wrong'> {
  const confusion = labels.map(() => labels.map(() => 0));
  const accuracy = accuracyOf(score, truth, rejectClass);
  if (score === undefined || accuracy === null) return { accuracy: null, interval: null, confusion, wrong: [] };
  const wrong: { file: string; label: string; takenFor: string }[] = [];
  answersOf(score, truth.length).forEach((answer, photo) => {
    const label = truth[photo]!;
    confusion[label]![answer]!++;
    if (answer !== label) wrong.push({ file: files[photo]!, label: labels[label]!, takenFor: labels[answer]! });
  });
  const counted = truth.reduce((count, label) => count + (label === rejectClass ? 0 : 1), 0);
  return { accuracy, interval: wilsonInterval(accuracy, counted), confusion, wrong };
}

/** Share of the photos of the classes named right; a photo of a class taken for none of them is wrong. */
export function accuracyOf(
  score: MethodScore | undefined,
  truth: Int32Array,
  rejectClass: number | undefined,
): number | null {
  if (score === undefined) return null;
  const answers = answersOf(score, truth.length);
  const ours = [...truth.keys()].filter((photo) => truth[photo] !== rejectClass);
  return ours.filter((photo) => answers[photo] === truth[photo]).length / ours.length;
}

function answersOf({ logits }: MethodScore, photos: number): number[] {
  const classes = logits.length / photos;
  return Array.from({ length: photos }, (_, i) => indexOfLargest(logits.subarray(i * classes, (i + 1) * classes)));
}
