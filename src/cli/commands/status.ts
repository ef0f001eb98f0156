import type { UnknownRecord } from '../../base/json.ts';
import { command } from '../command.ts';
import { attempt } from '../errors.ts';
import type { Output } from '../output/output.ts';
import { keyValueTable, type Row } from '../output/table.ts';
import { plainText } from '../output/value.ts';

export const status = command({
  name: 'status',
  synopsis: 'Print seal and HA status',
  usage: 'status [options]',
  description: `
Prints whether the server is sealed and whether it is part of a cluster; also a sealed server answers this.

The exit code tells the seal status: 0 unsealed, 1 error, 2 sealed.`,
  uses: ['http', 'format'],
  flags: {},
  arguments: { min: 0, max: 0 },
  async run({ client, output }) {
    const connected = await client();
    const seal = await attempt('Error checking seal status', connected.request('GET', 'sys/seal-status'));
    // A sealed node knows nothing of its cluster.
    const leader = seal.body.sealed
      ? undefined
      : await attempt('Error checking leader status', connected.request('GET', 'sys/leader'));
    printSealStatus(output, seal.body, leader?.body);
    return seal.body.sealed ? 2 : 0;
  },
});

/** Prints the reply of `sys/seal-status`, with that of `sys/leader` where there is one. */
export function printSealStatus(output: Output, seal: UnknownRecord, leader?: UnknownRecord): void {
  const known = leader && {
    ha_enabled: leader.ha_enabled ?? false,
    ...(leader.ha_enabled === true && {
      is_self: leader.is_self,
      active_time: leader.active_time,
      leader_address: leader.leader_address,
      leader_cluster_address: leader.leader_cluster_address,
    }),
  };
  output.data({ ...seal, ...known }, () => keyValueTable([...sealRows(seal), ...leaderRows(seal, leader)]));
}

function sealRows(seal: UnknownRecord): Row[] {
  const recovery = seal.recovery_seal === true || seal.recovery_seal_type !== undefined;
  const rows: (Row | undefined)[] = [
    ['Seal Type', plainText(seal.type)],
    recovery ? ['Recovery Seal Type', plainText(seal.recovery_seal_type ?? 'shamir')] : undefined,
    ['Initialized', plainText(seal.initialized)],
    ['Sealed', plainText(seal.sealed)],
    [recovery ? 'Total Recovery Shares' : 'Total Shares', plainText(seal.n)],
    ['Threshold', plainText(seal.t)],
    seal.sealed ? ['Unseal Progress', `${plainText(seal.progress)}/${plainText(seal.t)}`] : undefined,
    seal.sealed ? ['Unseal Nonce', textOf(seal.nonce)] : undefined,
    seal.migration ? ['Seal Migration in Progress', 'true'] : undefined,
    seal.expiry_paused ? ['Expiry', 'paused: a restored snapshot is not confirmed'] : undefined,
    ['Version', textOf(seal.version)],
    ['Build Date', textOf(seal.build_date)],
    ['Storage Type', textOf(seal.storage_type)],
    seal.cluster_name ? ['Cluster Name', textOf(seal.cluster_name)] : undefined,
    seal.cluster_id ? ['Cluster ID', textOf(seal.cluster_id)] : undefined,
  ];
  return rows.filter((row) => row !== undefined);
}

function leaderRows(seal: UnknownRecord, leader: UnknownRecord | undefined): Row[] {
  const enabled: Row = ['HA Enabled', String(leader?.ha_enabled ?? seal.ha_enabled ?? false)];
  if (leader?.ha_enabled !== true) return [enabled];
  const mode = leader.is_self ? 'active' : leader.performance_standby ? 'performance standby' : 'standby';
  const rows: (Row | undefined)[] = [
    enabled,
    ['HA Cluster', textOf(leader.leader_cluster_address)],
    ['HA Mode', mode],
    leader.is_self && leader.active_time ? ['Active Since', textOf(leader.active_time)] : undefined,
    leader.is_self ? undefined : ['Active Node Address', textOf(leader.leader_address)],
    leader.raft_committed_index
      ? ['Raft Committed Index', plainText(leader.raft_committed_index)]
      : undefined,
    leader.raft_applied_index ? ['Raft Applied Index', plainText(leader.raft_applied_index)] : undefined,
    leader.last_wal ? ['Last WAL', plainText(leader.last_wal)] : undefined,
  ];
  return rows.filter((row) => row !== undefined);
}

function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : plainText(value);
}
