import type { Clock } from '../base/clock.ts';
import { InvalidRequest } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { zero } from '../crypto/zero.ts';
import { encryptToPgpKey } from '../seal/pgp.ts';
import { Attempts, giveShare, proveShares } from './attempt.ts';
import type { Proof, Protection } from './protection.ts';
import type { ShareInput } from './rekey.ts';

/** `hvs.` and 24 characters; the one-time password must be as long. */
export const ROOT_TOKEN_LENGTH = 28;

type Hiding = { readonly otp: string } | { readonly pgpKey: string; readonly fingerprint: string };

export interface RootGenerationOptions {
  protection: Protection;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Makes a root token; resolves when it is durable. */
  createRootToken(): Promise<string>;
}

/** A new root token, agreed to by holders of enough shares, and shown only to who has the one-time password or PGP key. */
export class RootGeneration {
  readonly #options: RootGenerationOptions;
  readonly #attempts: Attempts<Hiding>;

  constructor(options: RootGenerationOptions) {
    this.#options = options;
    this.#attempts = new Attempts({ ...options, name: 'root generation' });
  }

  /** As `sys/generate-root/attempt` shows it. */
  status() {
    const { current } = this.#attempts;
    return {
      nonce: current?.nonce ?? '',
      started: current !== undefined,
      progress: current?.shares.progress ?? 0,
      required: this.#options.protection.shares.secret_threshold,
      complete: false,
      encoded_token: '',
      encoded_root_token: '',
      pgp_fingerprint: fingerprintOf(current?.settings),
      otp: '',
      otp_length: ROOT_TOKEN_LENGTH,
    };
  }

  /** Without either, makes a one-time password, which this reply alone shows. Throws `InvalidRequest`. */
  async start(request: { otp?: string | undefined; pgp_key?: string | undefined }) {
    const { protection, random, log } = this.#options;
    this.#attempts.assertNone();
    if (request.otp && request.pgp_key)
      throw new InvalidRequest('only one of otp and pgp_key may be specified');
    if (request.otp && Buffer.byteLength(request.otp) !== ROOT_TOKEN_LENGTH)
      throw new InvalidRequest(`OTP string is wrong length: it must have ${ROOT_TOKEN_LENGTH} bytes`);
    const made = request.otp || request.pgp_key ? '' : random.base62(ROOT_TOKEN_LENGTH);
    const hiding = request.pgp_key ? await hidingKey(request.pgp_key) : { otp: request.otp || made };
    const { nonce } = this.#attempts.begin(hiding, protection.thresholds);
    log.info('root generation started', { nonce });
    return { ...this.status(), otp: made };
  }

  /** Takes a share; with the last, the reply has the encoded token. Wrong shares end the attempt. */
  async update({ key: share, nonce }: ShareInput) {
    const attempt = this.#attempts.find(nonce);
    const key = await giveShare(attempt.shares, share);
    this.#attempts.touch();
    if (!key) return this.status();
    const before = this.status();
    try {
      const proof = await proveShares(attempt.shares, key, this.#options.protection);
      if (!proof) return this.status();
      const encoded = await this.#authorized(proof, attempt.settings);
      this.#attempts.end();
      return {
        ...before,
        progress: before.required,
        complete: true,
        encoded_token: encoded,
        encoded_root_token: encoded,
      };
    } catch (error) {
      this.#attempts.end();
      throw error instanceof InvalidRequest
        ? new InvalidRequest(`${error.message}; root generation ended`)
        : error;
    }
  }

  cancel(nonce: string | undefined): undefined {
    if (!this.#attempts.current) return undefined;
    this.#attempts.cancel(nonce, { bound: false });
    this.#options.log.info('root generation cancelled');
    return undefined;
  }

  end(): void {
    this.#attempts.end();
  }

  async #authorized(proof: Proof, hiding: Hiding): Promise<string> {
    const { protection, createRootToken, log } = this.#options;
    zero(proof.rootKey);
    proof.seal.close();
    await protection.settle(proof);
    const token = await createRootToken();
    log.info('root generation complete');
    return 'otp' in hiding
      ? hideByOtp(token, hiding.otp)
      : (await encryptToPgpKey(token, hiding.pgpKey)).message;
  }
}

/** The token that `sys/decode-token` shows. Throws `InvalidRequest` when the two do not fit. */
export function decodeToken(encoded: string, otp: string): string {
  const bytes = Buffer.from(encoded, 'base64');
  const key = Buffer.from(otp);
  if (bytes.length === 0 || bytes.length !== key.length)
    throw new InvalidRequest('the encoded token and the otp differ in length');
  return Buffer.from(bytes.map((byte, at) => byte ^ key[at]!)).toString();
}

/** Without padding: Vault's own `generate-root -decode` takes no other. */
function hideByOtp(token: string, otp: string): string {
  const key = Buffer.from(otp);
  const bytes = Buffer.from(token);
  if (bytes.length !== key.length)
    throw new Error(`a root token of ${bytes.length} bytes does not fit a password of ${key.length}`);
  return Buffer.from(bytes.map((byte, at) => byte ^ key[at]!))
    .toString('base64')
    .replace(/=+$/, '');
}

/** Encrypts something to it: found out now, a key that does not serve costs nobody a root token. */
async function hidingKey(pgpKey: string): Promise<Hiding> {
  return { pgpKey, fingerprint: (await encryptToPgpKey('', pgpKey)).fingerprint };
}

function fingerprintOf(hiding: Hiding | undefined): string {
  return hiding && 'fingerprint' in hiding ? hiding.fingerprint : '';
}
