import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ValidateBy, ValidateIf } from 'class-validator';
import { isEventText } from '../integrity/event.js';
import { parseTimestamp, TimestampError } from '../integrity/timestamp.js';
import { EVERY_LEDGER, SCOPES } from './principal.js';

const MAX_NAME_CODE_POINTS = 100;
const MAX_LEDGERS = 100;
/** A ledger that anybody may make, or one of the service's own. */
const LEDGER = /^([a-z0-9][a-z0-9-]{0,62}|_[a-z0-9-]{1,62})$/;

/** A rule whose sentence depends on the value: `mistake` returns it without the member's name, or undefined. */
function Rule(name: string, mistake: (value: unknown) => string | undefined): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value) => mistake(value) === undefined,
      defaultMessage: (args) => `${args?.property ?? 'it'} ${mistake(args?.value) ?? ''}`,
    },
  });
}

function listMistake(value: unknown, most: number, isOne: (item: string) => boolean, what: string): string | undefined {
  if (
    !Array.isArray(value) ||
    value.length < 1 ||
    value.length > most ||
    value.some((item) => typeof item !== 'string')
  ) {
    return `must be a list of 1 to ${most} strings`;
  }
  const items = value as string[];
  const wrong = items.filter((item) => !isOne(item)).map((item) => JSON.stringify(item.slice(0, 100)));
  if (wrong.length > 0) return `must name ${what}; there is no ${wrong.join(', ')}`;
  return new Set(items).size === items.length ? undefined : 'must name each only once';
}

function expiryMistake(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string';
  try {
    const inFuture = parseTimestamp(value).micros > Date.now() * 1000;
    return inFuture ? undefined : 'must lie in the future';
  } catch (error) {
    if (error instanceof TimestampError) return error.message;
    throw error;
  }
}

export class CreateApiKeyDto {
  @ApiProperty({
    description: 'What it is for; no person’s name',
    example: 'order gateway',
    maxLength: MAX_NAME_CODE_POINTS,
  })
  @Rule('text', (value) =>
    isEventText(value, MAX_NAME_CODE_POINTS)
      ? undefined
      : `must be a string of 1 to ${MAX_NAME_CODE_POINTS} characters without control characters`,
  )
  name: string;

  @ApiProperty({ enum: SCOPES, isArray: true, description: 'None implies another', example: ['events:write'] })
  @Rule('scopes', (value) =>
    listMistake(value, SCOPES.length, (item) => (SCOPES as readonly string[]).includes(item), 'known scopes'),
  )
  scopes: string[];

  @ApiProperty({ type: [String], description: 'Slugs, or * for every ledger, also of later ones', example: ['main'] })
  @Rule('ledgers', (value) =>
    listMistake(
      value,
      MAX_LEDGERS,
      (item) => item === EVERY_LEDGER || LEDGER.test(item),
      'ledgers by their slugs, or *',
    ),
  )
  ledgers: string[];

  @ApiPropertyOptional({ description: 'RFC 3339, in the future; never when absent', example: '2099-12-31T23:59:59Z' })
  @ValidateIf((_: object, value: unknown) => value !== undefined)
  @Rule('future', expiryMistake)
  expires_at?: string;
}

export class ApiKeyDto {
  @ApiProperty({ example: '0197f3a1-6c00-7000-8000-0000000000c1' })
  id: string;
  @ApiProperty({ example: 'order gateway' })
  name: string;
  @ApiProperty({ enum: SCOPES, isArray: true, example: ['events:write'] })
  scopes: string[];
  @ApiProperty({ type: [String], example: ['main'] })
  ledgers: string[];
  @ApiProperty({ example: '2026-06-02T08:00:00.000000Z' })
  created_at: string;
  @ApiProperty({ description: 'The principal that made it', example: 'key:0197f3a1-6c00-7000-8000-0000000000c0' })
  created_by: string;
  @ApiProperty({ type: String, nullable: true, example: '2099-12-31T23:59:59.000000Z' })
  expires_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: null })
  revoked_at: string | null;
  @ApiProperty({ type: String, nullable: true, example: null })
  revoked_by: string | null;
}

export class CreatedApiKeyDto extends ApiKeyDto {
  @ApiProperty({
    description: 'The key itself, shown this once: only its hash is kept',
    example: 'tt_bm90IGEga2V5LCBqdXN0IGFuIGV4YW1wbGUgb2Ygb25l',
  })
  key: string;
}

export class ApiKeyListDto {
  @ApiProperty({ type: [ApiKeyDto] })
  keys: ApiKeyDto[];
}
