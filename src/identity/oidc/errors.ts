/** A refusal in OAuth's words (RFC 6749, section 5.2; OpenID Connect Core, section 3.1.2.6): what relying parties understand. */
export class OauthError extends Error {
  /** `invalid_request`, `invalid_client`, …. */
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, { status = 400 }: { status?: number } = {}) {
    super(description);
    this.name = 'OauthError';
    this.error = error;
    this.status = status;
  }
}
