import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, integer, list, text } from '../engine/fields.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { MetricsPage } from '../metrics/page.ts';
import { systemPath } from '../mounts/system-context.ts';
import { SHAMIR } from '../seal/shamir.ts';
import { sealCodes } from './health.ts';
import { metricsPath } from './metrics.ts';

export interface StatusParts {
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly metricsPage: MetricsPage;
  /** A snapshot was restored and nobody has confirmed it yet. */
  expiryPaused(): boolean;
  readonly apiAddress: string;
  readonly clusterAddress: string;
}

/** What answers without a token and without the store: before initialisation, sealed, always. */
export function statusPaths(parts: StatusParts): EnginePath[] {
  const { lifecycle } = parts;
  return [
    systemPath({
      pattern: 'init',
      summary: 'Shows whether the server is initialised, or initialises it.',
      public: true,
      fields: {
        secret_shares: integer({ description: 'Into how many shares the unseal key is split.' }),
        secret_threshold: integer({ description: 'How many of them unseal.' }),
        stored_shares: integer({ description: 'Kept for compatibility.' }),
        pgp_keys: list({ description: 'PGP public keys, base64, one for each share, to encrypt them to.' }),
        root_token_pgp_key: text({ description: 'PGP public key to encrypt the root token to.' }),
        recovery_shares: integer({
          description: 'With an automatic seal: into how many shares the recovery key is split.',
        }),
        recovery_threshold: integer({ description: 'With an automatic seal: how many of them recover.' }),
        recovery_pgp_keys: list({ description: 'PGP public keys for the recovery shares.' }),
      },
      operations: {
        read: { handler: () => ({ data: { initialized: lifecycle.initialized } }) },
        write: {
          outside: true,
          handler: async (_, input) => ({ data: { ...(await lifecycle.initialize(input)) } }),
        },
      },
    }),
    systemPath({
      pattern: 'seal-status',
      summary: 'Shows whether the server is sealed and how far unsealing has come.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({
            data: { ...lifecycle.status(), ...(parts.expiryPaused() ? { expiry_paused: true } : {}) },
          }),
        },
      },
    }),
    systemPath({
      pattern: 'unseal',
      summary: 'Takes one share of the unseal key.',
      public: true,
      fields: {
        key: text({ description: 'A share, hex or base64.', secret: true }),
        reset: boolean({ description: 'Forgets the shares given so far.', default: false }),
        migrate: boolean({
          description: 'The shares also carry out the migration of the seal that the configuration asks for.',
          default: false,
        }),
      },
      operations: {
        write: {
          outside: true,
          async handler(_, input) {
            if (input.reset) lifecycle.resetShares();
            else if (!input.key)
              throw new InvalidRequest(
                "'key' must be specified in request body as JSON, or 'reset' set to true",
              );
            else await lifecycle.submitShare(input.key, { migrate: input.migrate });
            return { data: lifecycle.status() };
          },
        },
      },
    }),
    sealBackendPath(parts),
    healthPath(parts),
    systemPath({
      pattern: 'leader',
      summary: 'Shows which node is active.',
      public: true,
      fields: {},
      operations: {
        read: {
          handler: () => ({
            data: {
              ha_enabled: false,
              is_self: !lifecycle.sealed,
              active_time: '0001-01-01T00:00:00Z',
              leader_address: '',
              leader_cluster_address: '',
              performance_standby: false,
              performance_standby_last_remote_wal: 0,
            },
          }),
        },
      },
    }),
    metricsPath(parts),
  ];
}

function sealBackendPath({ lifecycle }: StatusParts): EnginePath {
  return systemPath({
    pattern: 'seal-backend-status',
    summary: 'Shows which seals work now.',
    public: true,
    fields: {},
    operations: {
      read: {
        handler() {
          const { backends, ...report } = lifecycle.sealHealth.report();
          const recovery = lifecycle.status().recovery_seal;
          return {
            data: {
              ...report,
              backends: backends.length > 0 ? backends : [{ name: SHAMIR, type: SHAMIR, healthy: true }],
              fully_wrapped: lifecycle.fullyWrapped,
              recovery_keys: lifecycle.initialized && recovery,
            },
          };
        },
      },
    },
  });
}

const code = (description: string) => integer({ description });

function healthPath({ lifecycle, clock }: StatusParts): EnginePath {
  return systemPath({
    pattern: 'health',
    summary: 'Tells load balancers, by its status, what state the server is in.',
    public: true,
    fields: {
      standbyok: boolean({ description: 'A standby answers as the active node does.', default: false }),
      perfstandbyok: boolean({
        description: 'A performance standby answers as the active node does.',
        default: false,
      }),
      activecode: code('Status of an active node.'),
      standbycode: code('Status of a standby.'),
      drsecondarycode: code('Kept for compatibility.'),
      haunhealthycode: code('Status of a standby that cannot reach the active node.'),
      performancestandbycode: code('Kept for compatibility.'),
      removedcode: code('Kept for compatibility.'),
      sealedcode: code('Status while sealed.'),
      uninitcode: code('Status before initialisation.'),
    },
    operations: {
      read: {
        handler(_, input) {
          const status = lifecycle.status();
          return {
            status: sealCodes(status, input),
            data: {
              initialized: status.initialized,
              sealed: status.sealed,
              standby: status.sealed,
              performance_standby: false,
              replication_performance_mode: status.sealed ? 'unknown' : 'disabled',
              replication_dr_mode: status.sealed ? 'unknown' : 'disabled',
              server_time_utc: Math.floor(clock.now() / 1000),
              version: status.version,
              enterprise: false,
              ...(status.cluster_name
                ? { cluster_name: status.cluster_name, cluster_id: status.cluster_id }
                : {}),
              echo_duration_ms: 0,
              clock_skew_ms: 0,
              replication_primary_canary_age_ms: 0,
            },
          };
        },
      },
    },
  });
}
