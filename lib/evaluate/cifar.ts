/**
 * Names of CIFAR-100's fine labels (Krizhevsky 2009), in the order of the label byte in its binary files. The data set
 * numbers them alphabetically.
 */
export const CIFAR100_FINE_LABELS: readonly string[] = [
  'apple',
  'aquarium_fish',
  'baby',
  'bear',
  'beaver',
  'bed',
  'bee',
  'beetle',
  'bicycle',
  'bottle',
  'bowl',
  'boy',
  'bridge',
  'bus',
  'butterfly',
  'camel',
  'can',
  'castle',
  'caterpillar',
  'cattle',
  'chair',
  'chimpanzee',
  'clock',
  'cloud',
  'cockroach',
  'couch',
  'crab',
  'crocodile',
  'cup',
  'dinosaur',
  'dolphin',
  'elephant',
  'flatfish',
  'forest',
  'fox',
  'girl',
  'hamster',
  'house',
  'kangaroo',
  'keyboard',
  'lamp',
  'lawn_mower',
  'leopard',
  'lion',
  'lizard',
  'lobster',
  'man',
  'maple_tree',
  'motorcycle',
  'mountain',
  'mouse',
  'mushroom',
  'oak_tree',
  'orange',
  'orchid',
  'otter',
  'palm_tree',
  'pear',
  'pickup_truck',
  'pine_tree',
  'plain',
  'plate',
  'poppy',
  'porcupine',
  'possum',
  'rabbit',
  'raccoon',
  'ray',
  'road',
  'rocket',
  'rose',
  'sea',
  'seal',
  'shark',
  'shrew',
  'skunk',
  'skyscraper',
  'snail',
  'snake',
  'spider',
  'squirrel',
  'streetcar',
  'sunflower',
  'sweet_pepper',
  'table',
  'tank',
  'telephone',
  'television',
  'tiger',
  'tractor',
  'train',
  'trout',
  'tulip',
  'turtle',
  'wardrobe',
  'whale',
  'willow_tree',
  'wolf',
  'woman',
  'worm',
];

/** Bytes of one record: coarse label, fine label, then 32 x 32 red, green and blue planes. */
export const CIFAR100_RECORD_BYTES = 2 + 3 * 32 * 32;

/** Side of CIFAR's pictures, in pixels. */
export const CIFAR_SIDE = 32;

/** Turns `[3, H, W]` planes into `[H, W, 3]` pixels. */
export function interleavePlanes(planes: Uint8Array, width: number, height: number): Uint8Array {
  const plane = width * height;
  const pixels = new Uint8Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    pixels[3 * i] = planes[i]!;
    pixels[3 * i + 1] = planes[plane + i]!;
    pixels[3 * i + 2] = planes[2 * plane + i]!;
  }
  return pixels;
}
