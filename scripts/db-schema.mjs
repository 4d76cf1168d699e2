// `npm run db:schema` writes what the migrations add up to, read back from a database that they made: schema.sql for
// people who want to see it in one piece, and expected-schema.json for the daily check of the schema. With --check it
// compares. Needs no client programs of PostgreSQL.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { ensureBuilt } from './build.mjs';
import { writeOrCheck } from './generated-file.mjs';
import { ensureInstalled } from './install.mjs';

await ensureInstalled();
const build = ensureBuilt();
const load = (path) => import(pathToFileURL(join(build, path)).href);
const { startEmbeddedPostgres } = await load('src/database/embedded-postgres.js');
const { migrate } = await load('src/database/migrate.js');
const { SERVICE_ROLE } = await load('src/database/connection.js');
const { expectedFrom } = await load('src/chain/schema-check.js');
const { describeSchema, listSchemaObjects } = await load('src/chain/schema-check.sql.js');

const folder = mkdtempSync(join(tmpdir(), 'truetrail-schema-'));
const server = await startEmbeddedPostgres({ dataDir: folder, log: () => {} });
try {
  await migrate({ ownerUrl: server.ownerUrl });
  const client = new pg.Client({ connectionString: server.ownerUrl, options: '-c TimeZone=UTC' });
  await client.connect();
  // a month as the service makes it, so that its indexes and triggers are seen
  await client.query(`SELECT create_month('2026-01-01')`);
  writeOrCheck('migrations/schema.sql', await describe(client), 'npm run db:schema');
  const { tables, functions } = await listSchemaObjects(client);
  const expected = expectedFrom(await describeSchema(client, tables, functions, SERVICE_ROLE));
  writeOrCheck('src/chain/expected-schema.json', `${JSON.stringify(expected, null, 2)}\n`, 'npm run db:schema');
  await client.end();
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The schema as SQL, in an order that does not depend on the server. */
async function describe(client) {
  const rows = async (text) => (await client.query({ text, rowMode: 'array' })).rows;
  const parts = [
    '-- What the migrations add up to, with one month as an example. Written by `npm run db:schema`; do not edit.',
  ];
  const tables = await rows(`
    SELECT c.relname, c.oid::text, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
           (SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid),
           array_to_string(c.reloptions, ', '), obj_description(c.oid, 'pg_class')
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations'
     ORDER BY c.relname`);
  for (const [name, oid, partitionKey, bound, parent, options, comment] of tables) {
    const columns = await rows(`
      SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
             || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || quote_ident(l.collname) ELSE '' END
             || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
             || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''), col_description(a.attrelid, a.attnum), quote_ident(a.attname)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
       WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`);
    const constraints = await rows(`
      SELECT 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE conrelid = ${oid} AND contype <> 'n' ORDER BY contype DESC, conname`);
    const lines = [...columns, ...constraints].map(([text]) => `  ${text}`);
    parts.push(
      `CREATE TABLE ${name} (\n${lines.join(',\n')}\n)${partitionKey ? ` PARTITION BY ${partitionKey}` : ''}${options ? ` WITH (${options})` : ''};`,
    );
    if (parent) parts.push(`ALTER TABLE ${parent} ATTACH PARTITION ${name} ${bound};`);
    if (comment) parts.push(`COMMENT ON TABLE ${name} IS ${literal(comment)};`);
    for (const [, text, column] of columns) {
      if (text && !parent) parts.push(`COMMENT ON COLUMN ${name}.${column} IS ${literal(text)};`);
    }
    for (const [text] of await rows(`
      SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
       WHERE i.indrelid = ${oid} AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)
       ORDER BY c.relname`)) {
      parts.push(`${text};`);
    }
    for (const [text, trigger, enabled] of await rows(`
      SELECT pg_get_triggerdef(oid), tgname, tgenabled FROM pg_trigger WHERE tgrelid = ${oid} AND NOT tgisinternal ORDER BY tgname`)) {
      parts.push(`${text};`);
      if (enabled === 'A') parts.push(`ALTER TABLE ${name} ENABLE ALWAYS TRIGGER ${trigger};`);
    }
    for (const [text] of await rows(`
      SELECT 'GRANT ' || string_agg(p, ', ' ORDER BY p) || ' ON ${name} TO ' || grantee || ';'
        FROM (SELECT privilege_type AS p, grantee::regrole::text FROM pg_class, aclexplode(relacl)
               WHERE oid = ${oid} AND grantee <> relowner AND grantee <> 0) AS g GROUP BY grantee
      UNION ALL
      SELECT 'GRANT ' || privilege_type || ' (' || string_agg(attname, ', ' ORDER BY attname) || ') ON ${name} TO ' || grantee::regrole || ';'
        FROM pg_attribute, aclexplode(attacl) WHERE attrelid = ${oid} GROUP BY privilege_type, grantee ORDER BY 1`)) {
      parts.push(text);
    }
  }
  for (const [definition, signature, comment, grants] of await rows(`
    SELECT pg_get_functiondef(p.oid), p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc'),
           (SELECT string_agg(grantee::regrole::text, ', ') FROM aclexplode(p.proacl) WHERE grantee <> p.proowner AND grantee <> 0)
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY p.proname, 2`)) {
    parts.push(`${definition.trimEnd()};`);
    if (comment) parts.push(`COMMENT ON FUNCTION ${signature} IS ${literal(comment)};`);
    parts.push(`REVOKE ALL ON FUNCTION ${signature} FROM PUBLIC;`);
    if (grants) parts.push(`GRANT EXECUTE ON FUNCTION ${signature} TO ${grants};`);
  }
  return `${parts.join('\n\n')}\n`;
}

function literal(text) {
  return `'${text.replaceAll("'", "''")}'`;
}
