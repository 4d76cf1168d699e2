import type { Parameters } from '../http/parameters.js';
import type { AnyReport, Report, ReportOfForms, ReportParameter } from './report.js';

/**
 * A report made of its forms, of which a required parameter chooses one by its value. They have all in common but title,
 * tables, columns and rows.
 */
export function reportOfForms(
  title: string,
  by: Pick<ReportParameter, 'name' | 'description'>,
  forms: ReadonlyMap<string, Report>,
): ReportOfForms {
  const values = [...forms.keys()];
  const { parameters: shared, tables: _, columns: __, rows: ___, ...common } = [...forms.values()][0]!;
  const chooser: ReportParameter = {
    name: by.name,
    description: `${by.description}: ${values.join(', ')}`,
    example: values[0]!,
    required: true,
    mistake: (value) =>
      forms.has(value) ? undefined : { rule: 'one-of', rest: `must be one of ${values.join(', ')}` },
  };
  const parameters = [chooser, ...shared];
  return {
    ...{ ...common, title, parameters, formBy: by.name },
    forms: new Map([...forms].map(([value, form]) => [value, { ...form, parameters }])),
  };
}

/** The value of the parameter that chooses the form; undefined where there is but one. */
export function formNameOf(report: AnyReport, parameters: Parameters): string | undefined {
  return 'forms' in report ? parameters[report.formBy] : undefined;
}

/** The report that parameters ask for; undefined where the one that chooses its form is wrong. */
export function formOf(report: AnyReport, parameters: Parameters): Report | undefined {
  return 'forms' in report ? report.forms.get(parameters[report.formBy] ?? '') : report;
}
