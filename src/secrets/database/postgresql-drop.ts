import type { Connection } from './postgresql-pool.ts';
import { inTransaction } from './postgresql-transaction.ts';

/**
 * Takes away a role with all it was granted in this database. What the role owns is neither dropped nor given to
 * somebody else: then PostgreSQL refuses, naming the objects, and the role stays behind without the right to log in.
 */
export async function dropRole(connection: Connection, roleName: string): Promise<void> {
  if (!(await roleExists(connection, roleName))) return;
  const identifier = `"${roleName.replaceAll('"', '""')}"`;
  // On its own, so that it holds even where the rest fails.
  await connection.query(`ALTER ROLE ${identifier} NOLOGIN`);
  await inTransaction(connection, async () => {
    const { rows } = await connection.query(REVOCATIONS, [roleName]);
    for (const { statement } of rows) await connection.query(String(statement));
    await connection.query(`DROP ROLE IF EXISTS ${identifier}`);
  });
}

export async function roleExists(connection: Connection, roleName: string): Promise<boolean> {
  const { rows } = await connection.query('SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1', [roleName]);
  return rows.length > 0;
}

/** A REVOKE for each thing of this database that the role $1 was granted; the catalogue quotes the names. */
const REVOCATIONS = `
WITH role AS (SELECT oid, quote_ident(rolname) AS name FROM pg_catalog.pg_roles WHERE rolname = $1),
granted AS (
  SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS object, relacl AS acl
    FROM pg_catalog.pg_class WHERE relacl IS NOT NULL
  UNION ALL
  SELECT 'TABLE', attrelid::regclass::text, attacl FROM pg_catalog.pg_attribute WHERE attacl IS NOT NULL
  UNION ALL
  SELECT 'SCHEMA', quote_ident(nspname), nspacl FROM pg_catalog.pg_namespace WHERE nspacl IS NOT NULL
  UNION ALL
  SELECT 'ROUTINE', oid::regprocedure::text, proacl FROM pg_catalog.pg_proc WHERE proacl IS NOT NULL
  UNION ALL
  SELECT 'TYPE', oid::regtype::text, typacl FROM pg_catalog.pg_type WHERE typacl IS NOT NULL
  UNION ALL
  SELECT 'DATABASE', quote_ident(datname), datacl FROM pg_catalog.pg_database WHERE datacl IS NOT NULL
)
SELECT DISTINCT format('REVOKE ALL PRIVILEGES ON %s %s FROM %s', kind, object, role.name) AS statement
  FROM role, granted, pg_catalog.aclexplode(granted.acl) AS entry WHERE entry.grantee = role.oid
UNION ALL
SELECT DISTINCT format(
    'ALTER DEFAULT PRIVILEGES FOR ROLE %s %s REVOKE ALL PRIVILEGES ON %s FROM %s',
    defaclrole::regrole,
    CASE WHEN defaclnamespace <> 0 THEN 'IN SCHEMA ' || defaclnamespace::regnamespace END,
    CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
      WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END,
    role.name)
  FROM role, pg_catalog.pg_default_acl, pg_catalog.aclexplode(defaclacl) AS entry WHERE entry.grantee = role.oid
`;
