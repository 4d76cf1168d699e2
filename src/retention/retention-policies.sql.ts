import type pg from 'pg';

type Database = pg.Pool | pg.ClientBase;

/** Which events a policy is about, and since when it counts; null for any. */
export interface PolicyTerms {
  record_class: string;
  /** first day, YYYY-MM-DD, UTC */
  valid_from: string;
  ledger: string | null;
  entity_type: string | null;
  event_type: string | null;
  years: number;
  reason: string;
}

export interface RetentionPolicy extends PolicyTerms {
  id: string;
  created_by: string;
  created_at: string;
}

const COLUMNS = `id, record_class, valid_from::text AS valid_from, ledger, entity_type, event_type, years, reason, created_by,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at`;

/** All policies, in the order in which they were made. */
export async function listPolicies(database: Database): Promise<RetentionPolicy[]> {
  const { rows } = await database.query<RetentionPolicy>(
    `SELECT ${COLUMNS} FROM retention_policies ORDER BY created_at, id`,
  );
  return rows;
}

export async function findPolicy(database: Database, id: string): Promise<RetentionPolicy> {
  const { rows } = await database.query<RetentionPolicy>(`SELECT ${COLUMNS} FROM retention_policies WHERE id = $1`, [
    id,
  ]);
  return rows[0]!;
}

/** Throws the database's TT001, and TT060 when one in force keeps the same records, or the same class, for longer. */
export async function addPolicy(
  database: Database,
  policy: PolicyTerms & { id: string; principal: string },
): Promise<void> {
  await database.query('SELECT add_retention_policy($1, $2, $3::date, $4, $5, $6, $7, $8, $9)', [
    ...[policy.id, policy.record_class, policy.valid_from, policy.ledger, policy.entity_type, policy.event_type],
    ...[policy.years, policy.reason, policy.principal],
  ]);
}

/** The years of the policy `default`, which are raised to those given if they are fewer. */
export async function declareDefault(
  database: Database,
  id: string,
  years: number,
  principal: string,
): Promise<{ years: number; is_added: boolean }> {
  const { rows } = await database.query<{ years: number; is_added: boolean }>(
    'SELECT years, is_added FROM declare_default_retention($1, $2, $3)',
    [id, years, principal],
  );
  return rows[0]!;
}
