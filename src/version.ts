/** What `sys/health` and `sys/seal-status` report. Terraform and others choose features by it, hence Vault's numbering. */
export const VERSION = '1.21.0+coffer';
/** Of the release. */
export const BUILD_DATE = '2026-11-22T00:00:00Z';
