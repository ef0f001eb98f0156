import { InvalidRequest } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { TOTP_ALGORITHMS, type TotpAlgorithm } from '../../crypto/totp.ts';
import type { EnginePath } from '../../engine/engine.ts';
import { boolean, duration, type Fields, type Input, integer, name, text } from '../../engine/fields.ts';
import { pageFields, pageOf } from '../../engine/paging.ts';
import { dataReply, listReply, type Reply } from '../../engine/reply.ts';
import { parseSettingsFile } from '../../identity/mfa/pingid.ts';
import {
  type DuoMethod,
  type FactorMethod,
  type FactorType,
  MfaRecords,
  type OktaMethod,
  type PingIdMethod,
  type TotpMethod,
} from '../../identity/mfa/records.ts';
import { type SystemContext, systemPath } from '../../mounts/system-context.ts';
import { placeholdersIn } from '../../policies/templates.ts';
import type { SystemParts } from '../parts.ts';

export function mfaRecordsOf({ session, mount }: SystemContext): MfaRecords {
  return new MfaRecords(session, mount.namespace.id);
}

const methodId = name('The method’s id.');
const method_name = text({ description: 'A name that can stand for the id; unique.' });
const username_format = text({
  description: 'What the service calls the user, with {{identity.…}}; the entity’s name unless set.',
});

const totpFields = {
  method_name,
  issuer: text({ description: 'The organisation, as authenticators show it.' }),
  period: duration({ description: 'How long a code is shown; 30s unless set.' }),
  key_size: integer({ description: 'Bytes of the keys; 20 unless set.' }),
  qr_size: integer({ description: 'Pixels of the QR code; 200 unless set, 0 for none.' }),
  algorithm: text({ description: 'SHA1 unless set.', choices: TOTP_ALGORITHMS }),
  digits: integer({ description: '6 or 8; 6 unless set.' }),
  skew: integer({ description: 'Periods by which clocks may differ, 0 or 1; 1 unless set.' }),
  max_validation_attempts: integer({
    description: 'Wrong codes in a row until the next period; 5 unless set.',
  }),
  enable_self_enrollment: boolean({ description: 'Who has no key gets one at the first login.' }),
};
const duoFields = {
  method_name,
  username_format,
  secret_key: text({ description: 'Secret key.', secret: true }),
  integration_key: text({ description: 'Integration key.' }),
  api_hostname: text({ description: 'API host name.' }),
  push_info: text({ description: 'Shown with the push.' }),
  use_passcode: boolean({ description: 'Asks for a passcode instead of a push.' }),
};
const oktaFields = {
  method_name,
  username_format,
  org_name: text({ description: 'Name of the organisation.' }),
  api_token: text({ description: 'API token.', secret: true }),
  base_url: text({ description: 'okta.com unless set.' }),
  production: boolean({
    description: 'Older way to choose okta.com (true) or oktapreview.com.',
    deprecated: true,
  }),
  primary_email: boolean({ description: 'Whether user names are primary e-mail addresses.' }),
};
const pingFields = {
  method_name,
  username_format,
  settings_file_base64: text({ description: 'pingid.properties in base64.', secret: true }),
};

interface Kind<F extends Fields> {
  readonly type: FactorType;
  readonly title: string;
  readonly fields: F;
  merge(
    base: { id: string; name: string },
    before: FactorMethod | undefined,
    input: Partial<Input<F>>,
  ): FactorMethod;
}

/** Methods of login MFA, by type. */
export function mfaMethodPaths(parts: SystemParts): EnginePath[] {
  return [
    systemPath({
      pattern: 'mfa/method',
      summary: 'Lists the MFA methods.',
      fields: pageFields,
      operations: { list: { handler: (context, input) => listOf(context, pageOf(input)) } },
    }),
    systemPath({
      pattern: 'mfa/method/{method_id}',
      summary: 'Shows an MFA method.',
      fields: { method_id: methodId },
      operations: {
        read: {
          handler(context, input) {
            const method = mfaRecordsOf(context).method(input.method_id);
            return dataReply(method && shown(method, context));
          },
        },
      },
    }),
    ...kindPaths(parts, { type: 'totp', title: 'TOTP', fields: totpFields, merge: mergeTotp }),
    ...kindPaths(parts, { type: 'duo', title: 'Duo', fields: duoFields, merge: mergeDuo }),
    ...kindPaths(parts, { type: 'okta', title: 'Okta', fields: oktaFields, merge: mergeOkta }),
    ...kindPaths(parts, { type: 'pingid', title: 'PingID', fields: pingFields, merge: mergePing }),
  ];
}

function kindPaths<F extends Fields>(parts: SystemParts, kind: Kind<F>): EnginePath[] {
  const { type, title, fields } = kind;
  const ofKind = (context: SystemContext, id: string): FactorMethod | undefined => {
    const method = mfaRecordsOf(context).method(id);
    return method?.type === type ? method : undefined;
  };
  const write = (context: SystemContext, id: string | undefined, input: Partial<Input<F>>): Reply => {
    const before = id === undefined ? undefined : ofKind(context, id);
    if (id !== undefined && !before) throw new InvalidRequest(`MFA method ${JSON.stringify(id)} not found`);
    const base = {
      id: before?.id ?? parts.random.uuid(),
      name: checkedName(context, input.method_name, before),
    };
    const method = kind.merge(base, before, input);
    mfaRecordsOf(context).putMethod(method, before);
    return { data: { method_id: method.id } };
  };
  return [
    systemPath({
      pattern: `mfa/method/${type}`,
      summary: `Makes an MFA method of type ${title}, or lists them.`,
      fields: { ...fields, ...pageFields },
      operations: {
        write: { handler: (context, input) => write(context, undefined, input as Partial<Input<F>>) },
        list: {
          handler: (context, input) => listOf(context, pageOf(input as Input<typeof pageFields>), type),
        },
      },
    }),
    systemPath({
      pattern: `mfa/method/${type}/{method_id}`,
      summary: `Changes, shows or deletes an MFA method of type ${title}.`,
      fields: { ...fields, method_id: methodId },
      operations: {
        read: {
          handler(context, input) {
            const method = ofKind(context, input.method_id as string);
            return dataReply(method && shown(method, context));
          },
        },
        write: {
          handler: (context, input) => write(context, input.method_id as string, input as Partial<Input<F>>),
        },
        delete: {
          handler(context, input) {
            const method = ofKind(context, input.method_id as string);
            if (method) remove(context, method);
            return undefined;
          },
        },
      },
    }),
  ];
}

function listOf(context: SystemContext, page: ReturnType<typeof pageOf>, type?: FactorType): Reply {
  const records = mfaRecordsOf(context);
  const methods = records.methodIds(page).flatMap((id) => records.method(id) ?? []);
  const wanted = methods.filter((method) => !type || method.type === type);
  return listReply(
    wanted.map(({ id }) => id),
    Object.fromEntries(wanted.map((method) => [method.id, shown(method, context)])),
  );
}

function remove(context: SystemContext, method: FactorMethod): void {
  const records = mfaRecordsOf(context);
  const users = [...records.enforcements()].filter(({ methodIds }) => methodIds.includes(method.id));
  if (users.length > 0)
    throw new InvalidRequest(
      `methodID is still used by an enforcement configuration with ID: ${users.map(({ id }) => id).join(', ')}`,
    );
  records.deleteMethod(method);
}

function checkedName(context: SystemContext, wanted: unknown, before: FactorMethod | undefined): string {
  if (wanted === undefined) return before?.name ?? '';
  const methodName = String(wanted);
  if (!/^(?:\w(?:[\w.-]*\w)?)?$/.test(methodName)) throw new InvalidRequest('invalid method_name');
  const other = mfaRecordsOf(context).method(methodName);
  if (other && other.id !== before?.id)
    throw new InvalidRequest(`an MFA method with the name ${JSON.stringify(methodName)} already exists`);
  return methodName;
}

function mergeTotp(
  base: { id: string; name: string },
  given: FactorMethod | undefined,
  input: Partial<Input<typeof totpFields>>,
): TotpMethod {
  const before = given?.type === 'totp' ? given : undefined;
  const method: TotpMethod = {
    ...base,
    type: 'totp',
    issuer: input.issuer ?? before?.issuer ?? '',
    period: input.period ?? before?.period ?? 30,
    keySize: input.key_size ?? before?.keySize ?? 20,
    qrSize: input.qr_size ?? before?.qrSize ?? 200,
    algorithm: (input.algorithm as TotpAlgorithm | undefined) ?? before?.algorithm ?? 'SHA1',
    digits: input.digits ?? before?.digits ?? 6,
    skew: input.skew ?? before?.skew ?? 1,
    attemptsMax: input.max_validation_attempts ?? before?.attemptsMax ?? 5,
    selfEnrollment: input.enable_self_enrollment ?? before?.selfEnrollment ?? false,
  };
  if (method.issuer === '') throw new InvalidRequest('issuer must be set');
  if (method.period <= 0 || method.period > 3600)
    throw new InvalidRequest('period must be between 1 and 3600 seconds');
  if (method.keySize < 10 || method.keySize > 128)
    throw new InvalidRequest('key_size must be between 10 and 128');
  if (method.qrSize < 0 || method.qrSize > 2000)
    throw new InvalidRequest('qr_size must be between 0 and 2000');
  if (method.digits !== 6 && method.digits !== 8) throw new InvalidRequest('digits must be 6 or 8');
  if (method.skew !== 0 && method.skew !== 1) throw new InvalidRequest('skew must be 0 or 1');
  if (method.attemptsMax < 1) throw new InvalidRequest('max_validation_attempts must be positive');
  return method;
}

function mergeDuo(
  base: { id: string; name: string },
  given: FactorMethod | undefined,
  input: Partial<Input<typeof duoFields>>,
): DuoMethod {
  const before = given?.type === 'duo' ? given : undefined;
  return {
    ...base,
    type: 'duo',
    usernameFormat: checkedFormat(input.username_format) ?? before?.usernameFormat ?? '',
    secretKey: needed('secret_key', input.secret_key ?? before?.secretKey),
    integrationKey: needed('integration_key', input.integration_key ?? before?.integrationKey),
    apiHostname: checkedHost(
      'api_hostname',
      needed('api_hostname', input.api_hostname ?? before?.apiHostname),
    ),
    pushInfo: input.push_info ?? before?.pushInfo ?? '',
    usePasscode: input.use_passcode ?? before?.usePasscode ?? false,
  };
}

function mergeOkta(
  base: { id: string; name: string },
  given: FactorMethod | undefined,
  input: Partial<Input<typeof oktaFields>>,
): OktaMethod {
  const before = given?.type === 'okta' ? given : undefined;
  const older = input.production === false ? 'oktapreview.com' : undefined;
  return {
    ...base,
    type: 'okta',
    usernameFormat: checkedFormat(input.username_format) ?? before?.usernameFormat ?? '',
    orgName: checkedHost('org_name', needed('org_name', input.org_name ?? before?.orgName)),
    apiToken: needed('api_token', input.api_token ?? before?.apiToken),
    baseUrl: checkedHost('base_url', input.base_url || older || before?.baseUrl || 'okta.com'),
    primaryEmail: input.primary_email ?? before?.primaryEmail ?? false,
  };
}

function mergePing(
  base: { id: string; name: string },
  given: FactorMethod | undefined,
  input: Partial<Input<typeof pingFields>>,
): PingIdMethod {
  const before = given?.type === 'pingid' ? given : undefined;
  const settings = input.settings_file_base64 ? parseSettingsFile(input.settings_file_base64) : before;
  if (!settings) throw new InvalidRequest('settings_file_base64 must be set');
  return {
    ...settings,
    ...base,
    type: 'pingid',
    usernameFormat: checkedFormat(input.username_format) ?? before?.usernameFormat ?? '',
  };
}

function needed(field: string, value: string | undefined): string {
  if (!value) throw new InvalidRequest(`${field} must be set`);
  return value;
}

/** A host name and nothing more: requests go there with credentials. */
function checkedHost(field: string, value: string): string {
  if (!/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(value))
    throw new InvalidRequest(`${field} must be a host name`);
  return value;
}

function checkedFormat(format: string | undefined): string | undefined {
  if (format === undefined) return undefined;
  try {
    placeholdersIn(format);
  } catch (error) {
    throw new InvalidRequest(
      `invalid username_format: ${error instanceof Error ? error.message : 'unknown'}`,
    );
  }
  return format;
}

/** Without what is secret: Duo's secret key, Okta's token and PingID's key are never shown again. */
function shown(method: FactorMethod, { mount }: SystemContext): UnknownRecord {
  const common = {
    id: method.id,
    name: method.name,
    type: method.type,
    namespace_id: mount.namespace.id,
    namespace_path: mount.namespace.path,
  };
  switch (method.type) {
    case 'totp':
      return {
        ...common,
        algorithm: method.algorithm,
        digits: method.digits,
        enable_self_enrollment: method.selfEnrollment,
        issuer: method.issuer,
        key_size: method.keySize,
        max_validation_attempts: method.attemptsMax,
        period: method.period,
        qr_size: method.qrSize,
        skew: method.skew,
      };
    case 'duo':
      return {
        ...common,
        api_hostname: method.apiHostname,
        integration_key: method.integrationKey,
        pushinfo: method.pushInfo,
        use_passcode: method.usePasscode,
        username_format: method.usernameFormat,
      };
    case 'okta':
      return {
        ...common,
        base_url: method.baseUrl,
        org_name: method.orgName,
        primary_email: method.primaryEmail,
        username_format: method.usernameFormat,
      };
    case 'pingid':
      return {
        ...common,
        admin_url: method.adminUrl,
        authenticator_url: method.authenticatorUrl,
        idp_url: method.idpUrl,
        org_alias: method.orgAlias,
        use_signature: method.useSignature,
        username_format: method.usernameFormat,
      };
  }
}
