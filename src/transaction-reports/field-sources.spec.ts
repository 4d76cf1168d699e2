import { KINDS } from '../reference-data/kinds.js';
import { FIELD_SOURCES } from './field-sources.js';
import { REPORT_FIELDS } from './fields.js';

describe('what fields are made of', () => {
  it('is told of each', () => {
    expect(FIELD_SOURCES.length).toBe(REPORT_FIELDS.length);
  });

  it('are columns that the reference data have', () => {
    for (const { entries } of FIELD_SOURCES) {
      for (const [name, columns] of Object.entries(entries)) {
        const kind = KINDS.find((each) => each.name === name)!;
        const known = [kind.id, ...kind.fields].map((field) => field.name);
        expect(known).toEqual(expect.arrayContaining([...columns]));
      }
    }
  });
});
