const { Classifier } = require('neonsense');

let classifier;
beforeAll(async () => {
  classifier = await Classifier.load();
});
afterAll(() => classifier.dispose());

test('a drawing of a clock is a clock', async () => {
  const { predictions } = await classifier.classify('clock.png');
  expect(predictions[0].label).toBe('clock');
});
