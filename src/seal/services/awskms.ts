/** `seal "awskms"`: a key of AWS's Key Management Service, through AWS's own client, loaded when it is first used. */
import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms';
import { required, type SealDeps, SealInvalid, type SealOptions } from '../options.ts';
import { SealUnavailable } from '../seal.ts';
import { type KeyService, Refused } from '../service.ts';

const REGION_DEFAULT = 'us-east-1';

/** What KMS says to a ciphertext that it will never decrypt. */
const FINAL_ERRORS = new Set([
  'IncorrectKeyException',
  'InvalidCiphertextException',
  'InvalidKeyUsageException',
  'NotFoundException',
]);

/** Without `access_key` AWS's usual places are searched: environment, shared files, role of the machine. */
export function openAwsKms(options: SealOptions, _: SealDeps): KeyService {
  const keyId = required(options, 'kms_key_id');
  if (Boolean(options.access_key) !== Boolean(options.secret_key))
    throw new SealInvalid('access_key and secret_key go together');
  if (options.shared_creds_filename)
    throw new SealInvalid('shared_creds_filename is not supported; set AWS_SHARED_CREDENTIALS_FILE');
  let opened: Promise<Opened> | undefined;
  const client = () => {
    opened ??= open(options);
    return opened;
  };
  return {
    async encrypt(plaintext, signal) {
      const { kms, sdk } = await client();
      const command = new sdk.EncryptCommand({ KeyId: keyId, Plaintext: plaintext });
      const reply = await kms.send(command, { abortSignal: signal }).catch(refused);
      if (!reply.CiphertextBlob || !reply.KeyId) throw new SealUnavailable('answered without a ciphertext');
      return { keyId: reply.KeyId, ciphertext: Buffer.from(reply.CiphertextBlob) };
    },
    async decrypt(sealed, signal) {
      const { kms, sdk } = await client();
      const command = new sdk.DecryptCommand({ KeyId: sealed.keyId, CiphertextBlob: sealed.ciphertext });
      const reply = await kms.send(command, { abortSignal: signal }).catch(refused);
      if (!reply.Plaintext) throw new SealUnavailable('answered without a plaintext');
      return Buffer.from(reply.Plaintext);
    },
    close() {
      void opened?.then(({ kms }) => kms.destroy());
    },
  };
}

interface Opened {
  readonly kms: KMSClient;
  readonly sdk: typeof import('@aws-sdk/client-kms');
}

async function open(options: SealOptions): Promise<Opened> {
  const sdk = await import('@aws-sdk/client-kms');
  return { kms: new sdk.KMSClient(clientConfig(options)), sdk };
}

function clientConfig(options: SealOptions): KMSClientConfig {
  const { access_key, secret_key, session_token, endpoint } = options;
  const profile = options.shared_creds_profile;
  return {
    region: options.region || REGION_DEFAULT,
    maxAttempts: 2,
    ...(endpoint && { endpoint }),
    ...(profile && { profile }),
    ...(access_key &&
      secret_key && {
        credentials: {
          accessKeyId: access_key,
          secretAccessKey: secret_key,
          ...(session_token && { sessionToken: session_token }),
        },
      }),
  };
}

/** The client's errors: those of the service have a status, the others are of the way to it. */
function refused(error: unknown): never {
  if (!(error instanceof Error)) throw new SealUnavailable('failed');
  const status = statusOf(error);
  if (status === undefined) {
    const code = 'code' in error && error.code ? String(error.code) : error.name;
    throw new SealUnavailable(`cannot be reached (${code})`);
  }
  throw new Refused(`answered ${status}: ${error.name}`, { status, final: FINAL_ERRORS.has(error.name) });
}

function statusOf(error: Error): number | undefined {
  const metadata = '$metadata' in error ? error.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  return typeof status === 'number' ? status : undefined;
}
