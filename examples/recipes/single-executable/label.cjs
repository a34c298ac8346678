const { createRequire } = require('node:module');
// A single executable holds one script. neonsense lies in node_modules/ beside the executable.
const { Classifier } = createRequire(process.execPath)('neonsense');

async function main() {
  const classifier = await Classifier.load();
  const { predictions } = await classifier.classify(process.argv[2]);
  console.log(predictions[0].label);
  await classifier.dispose();
}

main();
