/** `seal "pkcs11"`: a key of an HSM, by the vendor's PKCS#11 library, in a process of its own for each operation. */
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isRecord } from '../../base/json.ts';
import { flag, required, type SealDeps, SealInvalid, type SealOptions, secretOption } from '../options.ts';
import { SealUnavailable, UnwrapFailed } from '../seal.ts';
import { type KeyService, Refused } from '../service.ts';
import { ANSWER_FD, type TokenAnswer, type TokenCiphertext, type TokenRequest } from './protocol.ts';

const CKM_AES_GCM = 0x1087;
const CKM_RSA_PKCS_OAEP = 0x0009;
const HASHES = new Set(['sha1', 'sha224', 'sha256', 'sha384', 'sha512']);
const UNSUPPORTED = ['rsa_encrypt_local', 'software_encryption'];
/** The token will say nothing else to this ciphertext. */
const FINAL_CODES = new Set(['CKR_ENCRYPTED_DATA_INVALID', 'CKR_ENCRYPTED_DATA_LEN_RANGE']);
const BY_ID = 'id:';

/** Beside this file: the sources, or what is shipped. */
const CHILD = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './pkcs11.mjs', import.meta.url),
);

type Base = Omit<TokenRequest, 'operation' | 'pin'>;

/** Throws `SealInvalid`. */
export function openPkcs11(options: SealOptions, deps: SealDeps): KeyService {
  const base = baseOf(options);
  const pin = secretOption(options, 'pin', deps);
  const current = base.keyLabel ?? `${BY_ID}${base.keyId}`;
  let refusedPin: string | undefined;
  const ask = async (request: Omit<TokenRequest, 'pin'>, signal: AbortSignal): Promise<TokenAnswer> => {
    const given = pin();
    const digest = hash('sha256', given);
    // Tokens lock themselves after a few wrong PINs: one that was wrong once is not tried again.
    if (digest === refusedPin) throw new SealUnavailable('the PIN is wrong; it is not tried again');
    const answer = await runChild({ ...request, pin: given }, { signal, environment: deps.environment });
    if (!('error' in answer)) return answer;
    if (answer.code === 'CKR_PIN_INCORRECT') refusedPin = digest;
    throw new Refused(answer.error, { status: 0, final: FINAL_CODES.has(answer.code) });
  };
  return {
    async encrypt(plaintext, signal) {
      const operation = { encrypt: plaintext.toString('base64') };
      const answer = await ask({ ...base, operation }, signal);
      if (!('encrypted' in answer)) throw new SealUnavailable('answered without a ciphertext');
      return { keyId: current, ciphertext: Buffer.from(JSON.stringify(answer.encrypted)) };
    },
    async decrypt({ keyId, ciphertext }, signal) {
      const operation = { decrypt: readCiphertext(ciphertext) };
      const answer = await ask({ ...base, ...keyOf(keyId), operation }, signal);
      if (!('decrypted' in answer)) throw new SealUnavailable('answered without a plaintext');
      return Buffer.from(answer.decrypted, 'base64');
    },
    close() {},
  };
}

function baseOf(options: SealOptions): Base {
  const { slot, token_label: tokenLabel, key_label: keyLabel, rsa_oaep_hash: oaepHash = 'sha256' } = options;
  if (!slot && !tokenLabel) throw new SealInvalid('slot or token_label must be set');
  if (slot && !/^\d+$/.test(slot)) throw new SealInvalid('slot must be a decimal number');
  const keyId = options.key_id?.replace(/^0x/i, '');
  if (keyId !== undefined && !/^([0-9a-f]{2})+$/i.test(keyId))
    throw new SealInvalid('key_id must be hexadecimal');
  if (!keyLabel && !keyId) throw new SealInvalid('key_label or key_id must be set');
  if (!HASHES.has(oaepHash)) throw new SealInvalid(`rsa_oaep_hash must be one of ${[...HASHES].join(', ')}`);
  for (const name of UNSUPPORTED) if (flag(options, name)) throw new SealInvalid(`${name} is not supported`);
  const generate = flag(options, 'generate_key');
  return {
    lib: required(options, 'lib'),
    slot: slot || undefined,
    tokenLabel: tokenLabel || undefined,
    keyLabel: keyLabel || undefined,
    keyId,
    mechanism: mechanismOf(options.mechanism),
    oaepHash,
    generate,
    writes: generate || flag(options, 'force_rw_session'),
  };
}

function mechanismOf(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const number = Number(text);
  if (number === CKM_AES_GCM || number === CKM_RSA_PKCS_OAEP) return number;
  throw new SealInvalid('mechanism must be 0x1087 (CKM_AES_GCM) or 0x0009 (CKM_RSA_PKCS_OAEP)');
}

/** Which key made a record: one with another label may have taken its place since. */
function keyOf(recorded: string): Pick<Base, 'keyLabel' | 'keyId'> {
  return recorded.startsWith(BY_ID)
    ? { keyLabel: undefined, keyId: recorded.slice(BY_ID.length) }
    : { keyLabel: recorded, keyId: undefined };
}

function readCiphertext(bytes: Buffer): TokenCiphertext {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (isRecord(value) && typeof value.mechanism === 'number' && typeof value.bytes === 'string') {
      const text = (field: unknown) => (typeof field === 'string' ? field : undefined);
      const { mechanism, bytes: sealed } = value;
      return { mechanism, bytes: sealed, iv: text(value.iv), oaepHash: text(value.oaepHash) };
    }
  } catch {
    // Said below.
  }
  throw new UnwrapFailed('the record is damaged');
}

/** Rejects with `SealUnavailable` when the process ends without an answer; kills it when `signal` aborts. */
async function runChild(
  request: TokenRequest,
  { signal, environment }: { signal: AbortSignal; environment: SealDeps['environment'] },
): Promise<TokenAnswer> {
  const child = spawn(process.execPath, ['--no-warnings', CHILD], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: environment,
    signal,
    killSignal: 'SIGKILL',
  });
  const parts: Buffer[] = [];
  const answers = child.stdio[ANSWER_FD] as Readable;
  answers.on('data', (part: Buffer) => parts.push(part));
  child.stdin?.on('error', () => {}); // It may have crashed before it read.
  child.stdin?.end(JSON.stringify(request));
  const ended = await new Promise<string>((resolve, reject) => {
    child.on('error', (error) =>
      reject(new SealUnavailable(`the process for the library: ${error.message}`)),
    );
    child.on('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code}`));
  });
  const text = Buffer.concat(parts).toString();
  for (const part of parts) part.fill(0);
  if (text === '') throw new SealUnavailable(`the library crashed (${ended})`);
  return JSON.parse(text);
}
