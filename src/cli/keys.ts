import { ApiKeys } from '../access/api-keys.js';
import { CreateApiKeyDto } from '../access/api-key.dto.js';
import { KeyAdministration, type ApiKey } from '../access/key-administration.js';
import { SCOPES, type Principal } from '../access/principal.js';
import type { Config } from '../config/config.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { withService } from './service-work.js';

/** Works on the keys of the database, with the service running or not. */
export function withKeys<T>(
  config: Config,
  work: (keys: KeyAdministration, operator: Principal) => Promise<T>,
): Promise<T> {
  return withService(config, KeyAdministration, [ApiKeys], work);
}

/** Checks what the options of `keys create` say, by the rules of POST /v1/api-keys. Throws a Problem. */
export function readKeyOptions(options: {
  name: string;
  scopes: string[];
  ledgers: string[];
  expires?: string | undefined;
}): CreateApiKeyDto {
  const body = {
    name: options.name,
    scopes: options.scopes.length === 1 && options.scopes[0] === 'all' ? SCOPES : options.scopes,
    ledgers: options.ledgers,
    ...(options.expires === undefined ? {} : { expires_at: options.expires }),
  };
  return new BodyPipe(CreateApiKeyDto).transform(Buffer.from(JSON.stringify(body)));
}

/** A line a key, in columns. */
export function keyTable(keys: readonly ApiKey[], now = new Date()): string {
  const rows = [
    ['ID', 'NAME', 'STATE', 'SCOPES', 'LEDGERS', 'MADE', 'BY'],
    ...keys.map((key) => [
      key.id,
      key.name,
      keyState(key, now),
      key.scopes.join(','),
      key.ledgers.join(','),
      `${key.created_at.slice(0, 19)}Z`,
      key.created_by,
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function keyState({ revoked_at, expires_at }: ApiKey, now: Date): string {
  if (revoked_at !== null) return 'revoked';
  if (expires_at === null) return 'good';
  return Date.parse(expires_at) > now.getTime() ? `until ${expires_at.slice(0, 19)}Z` : 'expired';
}
