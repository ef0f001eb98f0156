import type { View } from '../../barrier/view.ts';
import { InvalidRequest } from '../../base/errors.ts';
import { type EnginePath, path, type RequestContext } from '../../engine/engine.ts';
import { duration, type Input, name, pairs, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply } from '../../engine/reply.ts';
import { fillStatement, singleStatements, statementsField } from './sql.ts';

/** A role: what users of one kind may do, as statements, and how long they live. As stored; wire names. */
export interface Role {
  /** Stays with this role only: one made later under the same name has another. */
  readonly uid: string;
  readonly db_name: string;
  readonly creation_statements: readonly string[];
  readonly revocation_statements: readonly string[];
  readonly rollback_statements: readonly string[];
  readonly renew_statements: readonly string[];
  /** Seconds; 0 takes the mount's. */
  readonly default_ttl: number;
  readonly max_ttl: number;
  readonly credential_type: string;
  readonly credential_config: Readonly<Record<string, string>>;
}

const STATEMENT_FIELDS = {
  creation_statements: statementsField(
    'Statements that make a user, with {{name}}, {{password}} and {{expiration}}.',
  ),
  revocation_statements: statementsField('Statements that drop a user, with {{name}}.'),
  rollback_statements: statementsField(
    'Statements that clean up after a creation that failed, with {{name}}.',
  ),
  renew_statements: statementsField(
    "Statements that prolong a user's life, with {{name}} and {{expiration}}.",
  ),
};
const roleFields = {
  name: name('Name of the role.'),
  db_name: text({ description: 'Name of the connection.' }),
  ...STATEMENT_FIELDS,
  default_ttl: duration({ description: "How long users live; the mount's time unless set." }),
  max_ttl: duration({
    description: "How long users live at most with renewals; the mount's time unless set.",
  }),
  credential_type: text({ description: 'What users get.', choices: ['password'] }),
  credential_config: pairs({ description: 'For a password: password_policy.' }),
};
const CREDENTIAL_OPTIONS: ReadonlySet<string> = new Set(['password_policy']);

export function readRole(view: View, roleName: string): Role | undefined {
  return view.get<Role>(`role/${roleName}`);
}

/** `roles` and `roles/{name}`. */
export function rolePaths(): EnginePath[] {
  return [
    path({
      pattern: 'roles',
      summary: 'Lists the roles.',
      fields: pageFields,
      operations: { list: { handler: ({ view }, input) => listReply(view.list('role/', pageOf(input))) } },
    }),
    path({
      pattern: 'roles/{name}',
      summary: 'Makes, changes, shows or deletes a role.',
      fields: roleFields,
      exists: ({ view }, input) => readRole(view, input.name) !== undefined,
      operations: {
        write: {
          handler(context, input) {
            const role = merged(readRole(context.view, input.name), input, context.random);
            checkRole(role);
            context.view.put(`role/${input.name}`, role);
            return undefined;
          },
        },
        read: {
          handler({ view }, input) {
            const role = readRole(view, input.name);
            return dataReply(role && shownRole(role));
          },
        },
        delete: { handler: ({ view }, input) => void view.delete(`role/${input.name}`) },
      },
    }),
  ];
}

function merged(
  before: Role | undefined,
  input: Input<typeof roleFields>,
  random: RequestContext['random'],
): Role {
  return {
    uid: before?.uid ?? random.base62(20),
    db_name: input.db_name ?? before?.db_name ?? '',
    creation_statements: input.creation_statements ?? before?.creation_statements ?? [],
    revocation_statements: input.revocation_statements ?? before?.revocation_statements ?? [],
    rollback_statements: input.rollback_statements ?? before?.rollback_statements ?? [],
    renew_statements: input.renew_statements ?? before?.renew_statements ?? [],
    default_ttl: input.default_ttl ?? before?.default_ttl ?? 0,
    max_ttl: input.max_ttl ?? before?.max_ttl ?? 0,
    credential_type: input.credential_type ?? before?.credential_type ?? 'password',
    credential_config: input.credential_config ?? before?.credential_config ?? {},
  };
}

function checkRole(role: Role): void {
  if (role.db_name === '') throw new InvalidRequest('empty database name attribute');
  if (role.default_ttl < 0 || role.max_ttl < 0) throw new InvalidRequest('a ttl cannot be negative');
  if (role.max_ttl > 0 && role.default_ttl > role.max_ttl) {
    throw new InvalidRequest('default_ttl cannot be greater than max_ttl');
  }
  for (const fieldName of Object.keys(STATEMENT_FIELDS) as (keyof typeof STATEMENT_FIELDS)[]) {
    checkStatements(fieldName, role[fieldName]);
  }
  if (singleStatements(role.creation_statements).length === 0) {
    throw new InvalidRequest('creation_statements cannot be empty');
  }
  const unknown = Object.keys(role.credential_config).find((option) => !CREDENTIAL_OPTIONS.has(option));
  if (unknown) throw new InvalidRequest(`unknown credential_config option ${JSON.stringify(unknown)}`);
}

/** Now rather than when a user is made or, worse, to be dropped. */
function checkStatements(fieldName: string, configured: readonly string[]): void {
  try {
    for (const statement of singleStatements(configured)) fillStatement(statement, new Map());
  } catch (error) {
    throw new InvalidRequest(`${fieldName}: ${error instanceof Error ? error.message : 'malformed'}`);
  }
}

function shownRole({ uid: _uid, credential_config, ...shown }: Role): Record<string, unknown> {
  return Object.keys(credential_config).length > 0 ? { ...shown, credential_config } : shown;
}
