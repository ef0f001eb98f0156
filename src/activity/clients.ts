import { createHash } from 'node:crypto';
import type { Session } from '../barrier/session.ts';
import { turn } from '../base/turn.ts';
import type { Token } from '../tokens/token.ts';

/**
 * Where it is kept who was active: one entry of an index for each client and month, its key the client, its target where
 * and when it was first seen. So a month's clients are counted by going through them, and nothing grows in memory.
 */
const CLIENTS = 'core/activity/clients/';
/** Looked at before others are let in. */
const SLICE = 256;

/** `2026-11`; in UTC, as everything here. */
export type Month = string;

export interface Client {
  readonly id: string;
  /** An entity, or a token of none. */
  readonly kind: 'entity' | 'token';
  readonly namespaceId: string;
  /** The auth method it was first seen by. */
  readonly mountAccessor: string;
  readonly firstSeenSeconds: number;
}

/** Tokens of no entity are one client where they may do the same in the same namespace, as Vault counts them. */
export function clientIdOf(token: Pick<Token, 'entityId' | 'policies'>, namespaceId: string): string {
  if (token.entityId !== '') return token.entityId;
  const who = JSON.stringify([namespaceId, ...token.policies.toSorted()]);
  return createHash('sha256').update(who).digest('base64url');
}

export function monthOf(timeMs: number): Month {
  return new Date(timeMs).toISOString().slice(0, 7);
}

export function monthStartMs(month: Month): number {
  return Date.parse(`${month}-01T00:00:00Z`);
}

/** `by` months later, or earlier. */
export function monthAfter(month: Month, by = 1): Month {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return monthOf(Date.UTC(year, number - 1 + by, 1));
}

/** From the first to the last, both included. */
export function monthsBetween(first: Month, last: Month): Month[] {
  const months: Month[] = [];
  for (let month = first; month <= last; month = monthAfter(month)) months.push(month);
  return months;
}

/** False when the month has the client already. */
export function addClient(session: Session, month: Month, client: Client): boolean {
  const view = session.view(`${CLIENTS}${month}/`);
  if (view.getIndex(client.id) !== undefined) return false;
  const { kind, namespaceId, mountAccessor, firstSeenSeconds } = client;
  view.putIndex(client.id, [kind, namespaceId, mountAccessor, firstSeenSeconds].join('|'));
  return true;
}

/** The months of which there is something, in order. */
export function storedMonths(session: Session): Month[] {
  return session
    .view(CLIENTS)
    .list('')
    .map((name) => name.replace(/\/$/, ''));
}

/** Deletes some of a month; true when nothing is left. */
export function dropMonth(session: Session, month: Month, limit: number): boolean {
  const view = session.view(`${CLIENTS}${month}/`);
  const ids = [...view.keys('', { limit })];
  for (const id of ids) view.delete(id);
  return ids.length < limit;
}

/** A client with the months it was active in, as places in the list of months that was asked for. */
export interface ActiveClient {
  readonly first: Client;
  readonly active: readonly { readonly month: number; readonly client: Client }[];
}

/** Every client of these months once, merged from the months' sorted entries; lets others be served meanwhile. */
export async function* activeClients(
  session: Session,
  months: readonly Month[],
): AsyncGenerator<ActiveClient> {
  const sources = months.map((month) => new Source(session, month));
  for (let seen = 1; ; seen++) {
    let id: string | undefined;
    for (const { head } of sources) if (head !== undefined && (id === undefined || head < id)) id = head;
    if (id === undefined) return;
    const active: { month: number; client: Client }[] = [];
    for (const [month, source] of sources.entries()) {
      if (source.head !== id) continue;
      const client = source.take();
      if (client) active.push({ month, client });
    }
    const [first] = active;
    if (first) yield { first: first.client, active };
    if (seen % SLICE === 0) await turn();
  }
}

class Source {
  head: string | undefined;
  readonly #keys: Iterator<string>;
  readonly #read: (id: string) => string | undefined;

  constructor(session: Session, month: Month) {
    const view = session.view(`${CLIENTS}${month}/`);
    this.#keys = view.keys('')[Symbol.iterator]();
    this.#read = (id) => view.getIndex(id);
    this.#next();
  }

  /** The client at the head; undefined where its entry is damaged or gone. */
  take(): Client | undefined {
    const id = this.head!;
    const [kind, namespaceId, mountAccessor, seconds] = this.#read(id)?.split('|') ?? [];
    this.#next();
    if ((kind !== 'entity' && kind !== 'token') || namespaceId === undefined || mountAccessor === undefined)
      return undefined;
    return { id, kind, namespaceId, mountAccessor, firstSeenSeconds: Number(seconds) };
  }

  #next(): void {
    const { value, done } = this.#keys.next();
    this.head = done ? undefined : value;
  }
}
