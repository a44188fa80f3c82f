// Loaded into the CDK CLI, which asks CloudFormation every five seconds whether a stack is done.
// A local one is done in one, and nobody else is waiting for its responses.
const FIVE_SECONDS = 5000;
const wait = globalThis.setTimeout;

globalThis.setTimeout = Object.assign(
  (callback, delay, ...values) => wait(callback, delay === FIVE_SECONDS ? 200 : delay, ...values),
  wait,
);
