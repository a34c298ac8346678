import { Classifier } from 'neonsense';

const classifier = await Classifier.load();
const { predictions } = await classifier.classify(process.argv[2]);
console.log(predictions[0].label);
await classifier.dispose();
