import type { Session } from '../barrier/session.ts';

/** `sys/quotas/config`. */
export interface QuotaSettings {
  /** In every namespace. */
  readonly rate_limit_exempt_paths: readonly string[];
  /** With their namespace. */
  readonly absolute_rate_limit_exempt_paths: readonly string[];
  readonly enable_rate_limit_audit_logging: boolean;
  readonly enable_rate_limit_response_headers: boolean;
}

/** What has to work when everything else is limited away: Vault's list. */
export const QUOTA_SETTINGS_DEFAULT: QuotaSettings = {
  rate_limit_exempt_paths: [
    'sys/internal/ui/mounts',
    'sys/generate-recovery-token/attempt',
    'sys/generate-recovery-token/update',
    'sys/generate-root/attempt',
    'sys/generate-root/update',
    'sys/health',
    'sys/seal-status',
    'sys/unseal',
  ],
  absolute_rate_limit_exempt_paths: [],
  enable_rate_limit_audit_logging: false,
  enable_rate_limit_response_headers: false,
};

const VIEW = 'core/quotas/';
const KEY = 'config';

export function readQuotaSettings(session: Session): QuotaSettings {
  return { ...QUOTA_SETTINGS_DEFAULT, ...session.view(VIEW).get<QuotaSettings>(KEY) };
}

export function saveQuotaSettings(session: Session, settings: QuotaSettings): void {
  session.view(VIEW).put(KEY, settings);
}
