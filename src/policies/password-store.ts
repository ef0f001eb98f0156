import type { Session } from '../barrier/session.ts';
import type { View } from '../barrier/view.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { namespacedPrefix } from '../namespaces/namespace.ts';
import { WeightedLru } from './lru.ts';
import { decodePolicyText } from './parse.ts';
import {
  DEFAULT_PASSWORD_POLICY_TEXT,
  generatePassword,
  type PasswordPolicy,
  parsePasswordPolicy,
  tryPasswordPolicy,
} from './password.ts';

const NAME_LENGTH_MAX = 512;
const CACHED_MAX = 1000;

/** The stored password policies of each namespace. Unlike ACL policies their names go with case. */
export class PasswordPolicies {
  readonly #random: Random;
  readonly #default = parsePasswordPolicy(DEFAULT_PASSWORD_POLICY_TEXT);
  readonly #parsed = new WeightedLru<PasswordPolicy>({ weightMax: CACHED_MAX, weigh: () => 1 });

  constructor({ random }: { random: Random }) {
    this.#random = random;
  }

  /** The text of a policy. */
  get(session: Session, namespaceId: string, name: string): string | undefined {
    return policiesOf(session, namespaceId).get<{ text: string }>(checkedName(name))?.text;
  }

  list(session: Session, namespaceId: string, page?: { after?: string; limit?: number }): string[] {
    return policiesOf(session, namespaceId).list('', page);
  }

  /** Stores a policy that has shown it can make passwords. Throws `InvalidRequest`. */
  put(session: Session, namespaceId: string, { name, text }: { name: string; text: string }): void {
    const plain = decodePolicyText(text);
    if (plain.trim() === '') throw new InvalidRequest('missing policy');
    tryPasswordPolicy(parsePasswordPolicy(plain), this.#random);
    policiesOf(session, namespaceId).put(checkedName(name), { text: plain });
  }

  /** No error when there is none. */
  delete(session: Session, namespaceId: string, name: string): void {
    policiesOf(session, namespaceId).delete(checkedName(name));
  }

  /** A password by the named policy, or by the built-in one of 20 characters. Throws `InvalidRequest` when there is no such policy. */
  generate(session: Session, namespaceId: string, name: string | undefined): string {
    if (name === undefined || name === '') return generatePassword(this.#default, this.#random);
    const text = this.get(session, namespaceId, name);
    if (text === undefined) throw new InvalidRequest(`no password policy named "${name}"`);
    let policy = this.#parsed.get(text);
    if (!policy) {
      policy = parsePasswordPolicy(text);
      this.#parsed.set(text, policy);
    }
    return generatePassword(policy, this.#random);
  }
}

function policiesOf(session: Session, namespaceId: string): View {
  return session.view(namespacedPrefix('passwordPolicies', namespaceId));
}

function checkedName(name: string): string {
  const usable = name !== '' && name.length <= NAME_LENGTH_MAX && !/[\p{Cc}/]/u.test(name);
  if (!usable)
    throw new InvalidRequest('the name of a password policy must be set, without slashes, at most 512 long');
  return name;
}
