import { isRecord, type UnknownRecord } from '../base/json.ts';
import type { Client } from '../client/client.ts';
import type { Reply } from '../client/reply.ts';
import type { Context } from './command.ts';
import { attempt, RemoteError } from './errors.ts';

/**
 * A login that needs a second factor is answered with what it needs and no token. Where exactly one method will do and a
 * person can be asked, this asks and finishes the login; otherwise it tells how to.
 */
export async function finishMultiFactor(reply: Reply, client: Client, context: Context): Promise<Reply> {
  const requirement = reply.auth?.mfa_requirement;
  if (!isRecord(requirement) || reply.auth?.client_token) return reply;
  const requestId = String(requirement.mfa_request_id ?? '');
  const method = onlyMethod(requirement);
  const { terminal, flags, output } = context;
  if (!method || !terminal.canAsk || flags['non-interactive']) {
    output.warn(
      'A second factor is needed to finish this login. Send it with:\n\n' +
        `    coffer write sys/mfa/validate mfa_request_id=${requestId} mfa_payload=@payload.json\n`,
    );
    if (!method) throw new RemoteError('more than one second factor can or must be given');
    return reply;
  }
  const payload = method.uses_passcode
    ? [await terminal.askHidden(`Enter the passphrase for methodID "${method.id}" of type "${method.type}":`)]
    : [];
  if (!method.uses_passcode) output.warn('Asking for approval; check your device.');
  const body = { mfa_request_id: requestId, mfa_payload: { [String(method.id)]: payload } };
  return attempt('Error validating the second factor', client.request('POST', 'sys/mfa/validate', body));
}

function onlyMethod(requirement: UnknownRecord): UnknownRecord | undefined {
  const constraints = isRecord(requirement.mfa_constraints) ? Object.values(requirement.mfa_constraints) : [];
  const methods = constraints.flatMap((one) => (isRecord(one) && Array.isArray(one.any) ? one.any : []));
  return methods.length === 1 && isRecord(methods[0]) ? methods[0] : undefined;
}
