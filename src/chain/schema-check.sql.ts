import type pg from 'pg';

type Database = pg.Pool | pg.ClientBase;

/** A fact of the catalogue: `about` names what it is about, `says` how that is. */
export interface SchemaFact {
  /** the table, function or event trigger; of a month its own name */
  object: string;
  about: string;
  says: string;
}

/**
 * Everything about the given tables, their partitions, every table that is named as a month, the given functions and
 * the service's role that decides what can be done to the trail, and with what.
 *
 * Definitions are printed by the server; NOT NULL stands with the columns (PostgreSQL 18 has constraints of that name).
 * SELECT that somebody granted to a role of his own is his business. Event triggers are the whole database's, and may
 * change what every connection of ours does; those that belong to an extension are its own.
 */
export async function describeSchema(
  database: Database,
  tables: readonly string[],
  functions: readonly string[],
  serviceRole: string,
): Promise<SchemaFact[]> {
  const { rows } = await database.query<SchemaFact>(DESCRIPTION, [tables, functions, serviceRole]);
  return rows;
}

const DESCRIPTION = `
WITH ours AS (
  SELECT relowner AS role FROM pg_class WHERE oid = 'public.schema_migrations'::regclass
), tables AS (
  SELECT c.* FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (c.relname = ANY ($1) OR c.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'
        OR EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
                     WHERE i.inhrelid = c.oid AND p.relnamespace = c.relnamespace AND p.relname = ANY ($1)))
), functions AS (
  -- those of pg_catalog come first wherever one of ours is called
  SELECT f.*, CASE f.pronamespace WHEN 'pg_catalog'::regnamespace THEN 'pg_catalog.' ELSE '' END || f.proname AS name
    FROM pg_proc AS f
    WHERE f.pronamespace IN ('public'::regnamespace, 'pg_catalog'::regnamespace) AND f.proname = ANY ($2)
), facts AS (
  SELECT t.relname::text AS object, 'table ' || t.relname AS about,
         concat_ws(', ',
           CASE t.relkind WHEN 'r' THEN 'ordinary' WHEN 'p' THEN 'partitioned by ' || pg_get_partkeydef(t.oid)
             WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' ELSE 'foreign' END,
           CASE t.relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
           CASE WHEN t.relowner = ours.role THEN 'owned by the owner' ELSE 'owned by ' || t.relowner::regrole END,
           CASE WHEN t.relrowsecurity OR t.relforcerowsecurity THEN 'with row security' END,
           (SELECT string_agg('partition of ' || i.inhparent::regclass || ' ' || coalesce(pg_get_expr(t.relpartbound, t.oid), 'by inheritance'), ', ' ORDER BY i.inhseqno)
              FROM pg_inherits AS i WHERE i.inhrelid = t.oid)) AS says
    FROM tables AS t, ours
  UNION ALL
  SELECT t.relname, 'name ' || t.relname, coalesce((SELECT r.relnamespace::regnamespace::text FROM pg_class AS r WHERE r.oid = to_regclass(quote_ident(t.relname))), 'nothing')
    FROM tables AS t
  UNION ALL
  SELECT t.relname, 'column ' || t.relname || '.' || a.attname,
         concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> y.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
           CASE WHEN a.attnotnull THEN 'NOT NULL' END,
           CASE WHEN a.attgenerated <> '' THEN 'GENERATED' WHEN d.oid IS NOT NULL THEN 'DEFAULT' END || ' ' || pg_get_expr(d.adbin, d.adrelid),
           CASE WHEN a.attidentity <> '' THEN 'IDENTITY' END)
    FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type AS y ON y.oid = a.atttypid LEFT JOIN pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT t.relname, 'constraint ' || t.relname || '.' || k.conname,
         pg_get_constraintdef(k.oid)
           || CASE WHEN k.convalidated OR pg_get_constraintdef(k.oid) ~ 'NOT VALID' THEN '' ELSE ' NOT VALID' END
           || CASE WHEN (to_jsonb(k) ->> 'conenforced') = 'false' AND pg_get_constraintdef(k.oid) !~ 'NOT ENFORCED' THEN ' NOT ENFORCED' ELSE '' END
           || CASE WHEN k.contype = 'f' AND (SELECT count(*) FROM pg_trigger AS g WHERE g.tgconstraint = k.oid) <> 4 THEN ', without all of its triggers' ELSE '' END
    FROM tables AS t JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype <> 'n'
  UNION ALL
  SELECT t.relname, 'index ' || t.relname || '.' || c.relname,
         pg_get_indexdef(x.indexrelid)
           || CASE WHEN x.indisvalid THEN '' ELSE ', not valid' END
           || CASE WHEN x.indisready AND x.indislive THEN '' ELSE ', not kept up to date' END
    FROM tables AS t JOIN pg_index AS x ON x.indrelid = t.oid JOIN pg_class AS c ON c.oid = x.indexrelid
  UNION ALL
  SELECT t.relname, 'trigger ' || t.relname || '.' || g.tgname,
         pg_get_triggerdef(g.oid)
           || CASE g.tgenabled WHEN 'A' THEN ', always' WHEN 'D' THEN ', disabled' WHEN 'R' THEN ', for replication alone' ELSE ', not for replication' END
    FROM tables AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid
    -- those of foreign keys have names of their own on every server: they are told when they are not as they are made
    WHERE NOT (g.tgisinternal AND g.tgenabled = 'O' AND EXISTS (
      SELECT FROM pg_constraint AS k JOIN pg_proc AS f ON f.oid = g.tgfoid
        WHERE k.oid = g.tgconstraint AND k.contype = 'f' AND t.oid IN (k.conrelid, k.confrelid)
          AND f.pronamespace = 'pg_catalog'::regnamespace AND f.proname LIKE 'RI\\_FKey\\_%'))
  UNION ALL
  SELECT g.evtname, 'event trigger ' || g.evtname,
         'on ' || g.evtevent || ' of ' || g.evtowner::regrole || ' to call ' || g.evtfoid::regproc
           || CASE g.evtenabled WHEN 'D' THEN ', disabled' ELSE '' END
    FROM pg_event_trigger AS g
    WHERE NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = g.oid AND d.deptype = 'e')
  UNION ALL
  SELECT t.relname, 'rule ' || t.relname || '.' || w.rulename, pg_get_ruledef(w.oid)
    FROM tables AS t JOIN pg_rewrite AS w ON w.ev_class = t.oid
  UNION ALL
  SELECT t.relname, 'policy ' || t.relname || '.' || p.polname, 'a policy for rows'
    FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid
  UNION ALL
  SELECT t.relname, 'grant on ' || t.relname || ' to ' || grantee, string_agg(privilege, ', ' ORDER BY privilege)
    FROM tables AS t, LATERAL (
      SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee,
             x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END AS privilege
        FROM aclexplode(t.relacl) AS x WHERE x.grantee <> t.relowner
      UNION ALL
      SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
             x.privilege_type || ' (' || a.attname || ')' || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END
        FROM pg_attribute AS a, aclexplode(a.attacl) AS x
        WHERE a.attrelid = t.oid AND NOT a.attisdropped AND x.grantee <> t.relowner) AS granted
    WHERE grantee IN ('PUBLIC', $3) OR privilege !~ '^SELECT( \\(.*\\))?$'
    GROUP BY t.relname, grantee
  UNION ALL
  SELECT f.proname, 'function ' || f.name || '(' || pg_get_function_identity_arguments(f.oid) || ')',
         concat_ws(', ',
           'returns ' || coalesce(pg_get_function_result(f.oid), 'nothing'), (SELECT lanname FROM pg_language WHERE oid = f.prolang),
           CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
           CASE f.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
           CASE WHEN f.proisstrict THEN 'strict' END, CASE WHEN f.proleakproof THEN 'leakproof' END,
           CASE WHEN f.prosecdef THEN 'security definer' ELSE 'security invoker' END,
           'set ' || array_to_string(f.proconfig, ' '),
           CASE WHEN f.proowner = ours.role THEN 'owned by the owner' ELSE 'owned by ' || f.proowner::regrole END,
           'body ' || encode(sha256(convert_to(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc), 'UTF8')), 'hex'))
    FROM functions AS f, ours
  UNION ALL
  SELECT f.proname, 'grant on function ' || f.name || '(' || pg_get_function_identity_arguments(f.oid) || ') to '
           || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END,
         x.privilege_type || CASE WHEN x.is_grantable THEN ' with grant option' ELSE '' END
    FROM functions AS f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) AS x WHERE x.grantee <> f.proowner
  UNION ALL
  SELECT r.rolname, 'role ' || r.rolname,
         concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'may log in' END, CASE WHEN r.rolsuper THEN 'a superuser' END,
           CASE WHEN r.rolbypassrls THEN 'past row security' END, CASE WHEN r.rolcreaterole THEN 'may create roles' END,
           CASE WHEN r.rolcreatedb THEN 'may create databases' END, CASE WHEN r.rolreplication THEN 'may replicate' END,
           (SELECT 'member of ' || string_agg(m.roleid::regrole::text, ', ' ORDER BY m.roleid::regrole::text) FROM pg_auth_members AS m WHERE m.member = r.oid),
           CASE WHEN has_schema_privilege(r.oid, 'public', 'CREATE') THEN 'may create in schema public' END,
           CASE WHEN r.oid = ours.role THEN 'owns the trail' END)
    FROM pg_roles AS r, ours WHERE r.rolname = $3
)
SELECT object, about, says FROM facts ORDER BY object, about`;

/** A month of the catalogue or a table of the trail that has no counterpart. */
export async function findUnmatchedMonths(
  database: Database,
): Promise<{ partition_name: string; in_catalogue: boolean }[]> {
  const { rows } = await database.query<{ partition_name: string; in_catalogue: boolean }>(
    `SELECT coalesce(m.partition_name, t.name) AS partition_name, m.partition_name IS NOT NULL AS in_catalogue
       FROM (SELECT partition_name FROM months WHERE state <> 'dropped') AS m
       FULL JOIN (SELECT c.relname::text AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'public.audit_events'::regclass) AS t ON t.name = m.partition_name
       WHERE m.partition_name IS NULL OR t.name IS NULL ORDER BY 1`,
  );
  return rows;
}

/** Tables of the months that are sealed and still here: nothing can be inserted into them. */
export async function listSealedTables(database: Database): Promise<Set<string>> {
  const { rows } = await database.query<{ partition_name: string }>(
    `SELECT partition_name FROM months WHERE state IN ('sealed', 'retired')`,
  );
  return new Set(rows.map((row) => row.partition_name));
}

/** A month whose state in the catalogue is none that the functions leave, and what shows that, as a clause of a sentence. */
export interface SetMonth {
  month: string;
  state: string;
  reason: string;
}

/**
 * Months whose state somebody has set by hand. In one statement, since each step of a month is one transaction: it leaves
 * state, guard, ranges and the ledgers' `archived_to` in agreement.
 */
export async function findSetMonths(database: Database): Promise<SetMonth[]> {
  const { rows } = await database.query<SetMonth>(
    `SELECT m.month::text, m.state, coalesce(
         CASE WHEN m.state IN ('open', 'closed') AND EXISTS (
                SELECT FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
                  WHERE t.relnamespace = 'public'::regnamespace AND t.relname = m.partition_name
                    AND c.conname = m.partition_name || '_sealed_check')
              THEN 'its table is guarded as that of a sealed month' END,
         CASE WHEN m.state IN ('open', 'closed') AND EXISTS (SELECT FROM month_ranges AS r WHERE r.month = m.month)
              THEN 'month_ranges has what it held when it was sealed' END,
         CASE WHEN m.state = 'sealed' THEN (
           SELECT 'events of ' || r.ledger || ' up to ' || h.archived_to || ' are read from the archive already, its own from '
                    || r.from_sequence || ' on among them'
             FROM month_ranges AS r JOIN ledger_heads AS h USING (ledger)
             WHERE r.month = m.month AND h.archived_to >= r.from_sequence ORDER BY r.ledger LIMIT 1) END,
         CASE WHEN m.state IN ('retired', 'dropped') THEN (
           SELECT 'events of ' || r.ledger || ' are read from the archive up to ' || h.archived_to || ' alone, where it holds '
                    || r.from_sequence || ' to ' || r.to_sequence
             FROM month_ranges AS r JOIN ledger_heads AS h USING (ledger)
             WHERE r.month = m.month AND h.archived_to < r.to_sequence ORDER BY r.ledger LIMIT 1) END,
         CASE WHEN m.state = 'retired' THEN (
           SELECT 'the month ' || b.month || ' before it is ' || b.state || ', and months are retired in their order'
             FROM months AS b WHERE b.month < m.month AND b.state NOT IN ('retired', 'dropped') ORDER BY b.month LIMIT 1) END) AS reason
       FROM months AS m ORDER BY m.month`,
  );
  return rows.filter(({ reason }: { reason: string | null }) => reason !== null);
}

/** Names of the tables and functions that the service's schema has now; for writing down what it should have. */
export async function listSchemaObjects(database: Database): Promise<{ tables: string[]; functions: string[] }> {
  const { rows } = await database.query<{ tables: string[]; functions: string[] }>(
    `SELECT ARRAY(SELECT relname::text FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1) AS tables,
            ARRAY(SELECT DISTINCT proname::text FROM pg_proc AS f WHERE pronamespace = 'public'::regnamespace
                    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = f.oid AND d.deptype = 'e') ORDER BY 1) AS functions`,
  );
  return rows[0]!;
}
