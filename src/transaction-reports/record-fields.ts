import { UNDERLYING } from './instrument-fields.js';
import type { ReportField } from './report-field.js';
import type { ReportRecord } from './report-records.js';

/** A value of a record, and in which of several elements it is; undefined where there is one alone. */
interface PlacedValue {
  element: string | undefined;
  text: string;
}

/** An element of which there may be several: an owner, a decision maker, an instrument of a basket, a leg of a swap. */
const ELEMENT = /^.*\[[0-9]+\]|^.*\/Swp(?:In|Out)(?=\/)/;

/**
 * The fields of a record as it stands in a file, as `textOf` gives those of a report: several values with `|` between
 * them, and nothing where one of several has none.
 */
export class RecordFields {
  private readonly byPlace = new Map<string, PlacedValue[]>();
  /** elements that stand beside each other, in the order of the file, by the place that they have in common */
  private readonly elements = new Map<string, Set<string>>();

  constructor(private readonly record: ReportRecord) {
    for (const [path, text] of record.values) {
      const place = placeOf(path);
      const [element] = ELEMENT.exec(path) ?? [];
      if (element !== undefined) {
        const common = place.startsWith(`${UNDERLYING}/`) ? UNDERLYING : placeOf(element);
        const beside = this.elements.get(common);
        if (beside) beside.add(element);
        else this.elements.set(common, new Set([element]));
      }
      const there = this.byPlace.get(place);
      if (there) there.push({ element, text });
      else this.byPlace.set(place, [{ element, text }]);
    }
  }

  /** Undefined where the record does not have it. */
  textOf({ number, paths }: Pick<ReportField, 'number' | 'paths'>): string | undefined {
    if (number === 1) return this.record.status;
    const values = paths.flatMap((path) => this.byPlace.get(path) ?? []);
    if (values.length === 0) return undefined;
    const texts = new Map<string | undefined, string>();
    for (const element of this.elementsOf(paths)) texts.set(element, '');
    for (const { element, text } of values) texts.set(element, text);
    return [...texts.values()].join('|');
  }

  private elementsOf(paths: readonly string[]): Iterable<string> {
    for (const [common, beside] of this.elements) {
      if (paths.some((path) => path === common || path.startsWith(`${common}/`))) return beside;
    }
    return [];
  }
}

/** A path of a record as fields have it, of whichever of several elements. */
function placeOf(path: string): string {
  return path.replace(/^(?:New|Cxl)\//, '').replace(/\[[0-9]+\]/g, '');
}
