import type { Session } from '../barrier/session.ts';
import { activeClients, type Client, type Month } from './clients.ts';

export interface Counts {
  entities: number;
  tokens: number;
}

/** Counts of a namespace and, by accessor, of its auth methods. */
export interface NamespaceCounts {
  readonly total: Counts;
  readonly mounts: ReadonlyMap<string, Counts>;
}

/** By namespace id. */
export interface Breakdown {
  readonly total: Counts;
  readonly namespaces: ReadonlyMap<string, NamespaceCounts>;
}

export interface MonthCounts {
  readonly month: Month;
  readonly all: Breakdown;
  /** Those that no earlier month of the report has. */
  readonly fresh: Breakdown;
}

export interface Report {
  /** Each client once, however many months it was active in. */
  readonly all: Breakdown;
  readonly months: readonly MonthCounts[];
}

class Tally implements Breakdown {
  readonly total: Counts = { entities: 0, tokens: 0 };
  readonly namespaces = new Map<string, { total: Counts; mounts: Map<string, Counts> }>();

  add(client: Client): void {
    let namespace = this.namespaces.get(client.namespaceId);
    if (!namespace) {
      namespace = { total: { entities: 0, tokens: 0 }, mounts: new Map() };
      this.namespaces.set(client.namespaceId, namespace);
    }
    let mount = namespace.mounts.get(client.mountAccessor);
    if (!mount) {
      mount = { entities: 0, tokens: 0 };
      namespace.mounts.set(client.mountAccessor, mount);
    }
    const what = client.kind === 'entity' ? 'entities' : 'tokens';
    for (const counts of [this.total, namespace.total, mount]) counts[what]++;
  }
}

/** Goes through the clients of all these months; memory depends on namespaces and mounts, not on clients. */
export async function countClients(
  session: Session,
  months: readonly Month[],
  counted: (namespaceId: string) => boolean,
): Promise<Report> {
  const all = new Tally();
  const byMonth = months.map((month) => ({ month, all: new Tally(), fresh: new Tally() }));
  for await (const { first, active } of activeClients(session, months)) {
    if (!counted(first.namespaceId)) continue;
    all.add(first);
    active.forEach(({ month, client }, place) => {
      byMonth[month]!.all.add(client);
      if (place === 0) byMonth[month]!.fresh.add(client);
    });
  }
  return { all, months: byMonth };
}
