/**
 * A process for one operation of a PKCS#11 library: such libraries block, hang and crash, and here that is no harm to the
 * server. Reads its request from standard input, so that the PIN is in no argument and no environment.
 */
import { readFileSync, writeSync } from 'node:fs';
import { systemRandom as random } from '../../base/random.ts';
import {
  aesGcm,
  CKK_AES,
  CKK_RSA,
  CKM_AES_GCM,
  CKM_RSA_PKCS_OAEP,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  Cryptoki,
  CryptokiError,
  type Mechanism,
  rsaOaep,
  type Session,
} from './cryptoki.ts';
import { ANSWER_FD, type TokenAnswer, type TokenCiphertext, type TokenRequest } from './protocol.ts';

const GCM_IV_BYTES = 12;

function answer(request: TokenRequest): TokenAnswer {
  const library = new Cryptoki(request.lib);
  const session = library.logIn(slotOf(library, request), request.pin, request);
  const { operation } = request;
  const result =
    'encrypt' in operation
      ? { encrypted: encrypt(session, request, Buffer.from(operation.encrypt, 'base64')) }
      : { decrypted: decrypt(session, request, operation.decrypt) };
  library.close();
  return result;
}

function slotOf(library: Cryptoki, { slot, tokenLabel }: TokenRequest): number | bigint {
  if (slot !== undefined) return BigInt(slot);
  const found = library.slotOf(tokenLabel ?? '');
  if (found === undefined) throw new Error(`there is no token ${JSON.stringify(tokenLabel)}`);
  return found;
}

function encrypt(session: Session, request: TokenRequest, data: Buffer): TokenCiphertext {
  const iv = random.bytes(GCM_IV_BYTES);
  const { mechanism, oaepHash } = request;
  if (mechanism !== CKM_RSA_PKCS_OAEP) {
    const key =
      findKey(session, request, { class: CKO_SECRET_KEY, keyType: CKK_AES }) ?? generated(session, request);
    if (key !== undefined) {
      const bytes = session.encrypt(key, aesGcm(iv), data);
      return { mechanism: CKM_AES_GCM, iv: iv.toString('base64'), bytes: bytes.toString('base64') };
    }
  }
  if (mechanism !== CKM_AES_GCM) {
    const key = findKey(session, request, { class: CKO_PUBLIC_KEY, keyType: CKK_RSA });
    if (key !== undefined) {
      const bytes = session.encrypt(key, oaep(oaepHash), data);
      return { mechanism: CKM_RSA_PKCS_OAEP, oaepHash, bytes: bytes.toString('base64') };
    }
  }
  throw missing(request);
}

function decrypt(session: Session, request: TokenRequest, sealed: TokenCiphertext): string {
  const isAes = sealed.mechanism === CKM_AES_GCM;
  const kind = isAes
    ? { class: CKO_SECRET_KEY, keyType: CKK_AES }
    : { class: CKO_PRIVATE_KEY, keyType: CKK_RSA };
  const key = findKey(session, request, kind);
  if (key === undefined) throw missing(request);
  const using = isAes ? aesGcm(Buffer.from(sealed.iv ?? '', 'base64')) : oaep(sealed.oaepHash ?? '');
  return session.decrypt(key, using, Buffer.from(sealed.bytes, 'base64')).toString('base64');
}

function findKey(
  session: Session,
  { keyLabel, keyId }: TokenRequest,
  kind: { class: number; keyType: number },
) {
  const id = keyId === undefined ? undefined : Buffer.from(keyId, 'hex');
  return session.find({ ...kind, label: keyLabel, id });
}

function generated(session: Session, { generate, keyLabel }: TokenRequest) {
  return generate && keyLabel !== undefined ? session.generateAes(keyLabel) : undefined;
}

function oaep(hash: string): Mechanism {
  const using = rsaOaep(hash);
  if (!using) throw new Error(`there is no hash ${JSON.stringify(hash)}`);
  return using;
}

function missing({ keyLabel, keyId }: TokenRequest): Error {
  return new Error(`the token has no fitting key ${JSON.stringify(keyLabel ?? keyId)}`);
}

function failure(error: unknown): TokenAnswer {
  if (error instanceof CryptokiError) return { error: error.message, code: error.code };
  return { error: error instanceof Error ? error.message : String(error), code: '' };
}

let reply: TokenAnswer;
try {
  reply = answer(JSON.parse(readFileSync(0, 'utf8')));
} catch (error) {
  reply = failure(error);
}
writeSync(ANSWER_FD, JSON.stringify(reply));
// Not by itself: threads that a library has left behind would keep the process.
process.exit(0);
