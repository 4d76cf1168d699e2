import { RULES, SETTINGS } from './config.js';
import type { Setting } from './settings.js';

/** docs/configuration.md, from the table of settings. */
export function configurationPage(): string {
  const sections = (Object.entries(SETTINGS) as [string, Setting<unknown>][]).map(([name, setting]) =>
    [
      `## ${name}`,
      '',
      setting.why,
      '',
      `- Accepts: ${setting.accepts}`,
      `- Default: ${describeDefault(setting)}`,
      ...(setting.secret ? ['- Secret: never logged, recorded or shown'] : []),
      '',
    ].join('\n'),
  );
  return `# Settings

<!-- Made by \`npm run docs:config\` from src/config/config.ts. Change it there. -->

All settings come from the environment; empty text counts as absent. At the start every mistake is named at once, and
nothing starts with one. \`npm run truetrail -- config\` shows what holds, and where it comes from.

A duration is a whole number and its unit, \`ms\`, \`s\`, \`m\` or \`h\`.

Between settings:

${RULES.map(({ says }) => `- ${says}.`).join('\n')}

${sections.join('\n')}`;
}

function describeDefault({ fallback, fallbackText }: Setting<unknown>): string {
  if (typeof fallback === 'string' || typeof fallback === 'number') return `\`${fallbackText ?? fallback}\``;
  return fallbackText ?? 'none';
}
