const Sequencer = require('@jest/test-sequencer').default;

/**
 * Those that take minutes begin first, so that no worker is left with one of them at the end. On a machine that has run
 * the tests before, Jest knows by itself; a new one goes by the size of files.
 */
const LONGEST = [
  'real-data',
  'month-deletion',
  'archived-real-data',
  'recovery',
  'reports',
  'streamed-answers',
  'months',
  'store-faults',
  'digests',
];

module.exports = class extends Sequencer {
  async sort(tests) {
    const place = ({ path }) => {
      const at = LONGEST.findIndex((name) => path.endsWith(`/test/${name}.e2e-spec.ts`));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(tests)).sort((a, b) => place(a) - place(b));
  }
};
