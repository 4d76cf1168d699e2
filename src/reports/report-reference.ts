import { Injectable } from '@nestjs/common';
import { invalidParameters, queryError, type Parameters } from '../http/parameters.js';
import { ReferenceData } from '../reference-data/reference-data.js';
import type { Report, VersionedTable } from './report.js';
import { REFERENCE_AS_OF } from './with-reference-data.js';

/** Fixes runs of reports to the reference data as they are known, or were. */
@Injectable()
export class ReportReference {
  constructor(private readonly data: ReferenceData) {}

  /**
   * What a run adds to its parameters and tables. Without `reference_as_of` the last revision counts; where `asOf` was
   * asked for, the last one recorded before `recordedAt` of that event, so that the same question gets the same answer
   * whatever was recorded since. Where nothing is known, nothing is added. Throws invalid-parameter for a revision that is yet to come.
   */
  async of(
    report: Report,
    parameters: Parameters,
    recordedAt: string | undefined,
  ): Promise<{ parameters: Parameters; tables: VersionedTable[] }> {
    if (!report.parameters.some(({ name }) => name === REFERENCE_AS_OF)) return { parameters: {}, tables: [] };
    const given = parameters[REFERENCE_AS_OF];
    const last = await this.data.revision(undefined);
    if (given !== undefined && BigInt(given) > last) {
      const rest = `must be no more than the last revision of the reference data, ${last}`;
      throw invalidParameters([queryError(REFERENCE_AS_OF, 'range', rest)]);
    }
    const revision =
      given !== undefined ? BigInt(given) : recordedAt === undefined ? last : await this.data.revision(recordedAt);
    if (revision === 0n) return { parameters: {}, tables: [] };
    const { ledger, sequence } = await this.data.placeOf(revision);
    return {
      parameters: { [REFERENCE_AS_OF]: String(revision) },
      tables: [{ name: 'reference-data', version: `${revision} (event ${sequence} of ${ledger})` }],
    };
  }
}
