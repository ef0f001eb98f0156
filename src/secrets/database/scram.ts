import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

const ITERATIONS = 4096;
const SALT_BYTES = 16;

/** What PostgreSQL stores for a SCRAM-SHA-256 password (RFC 5803, manual 51.7), so that the server never sees the password. */
export async function scramVerifier(password: string, salt: Buffer): Promise<string> {
  if (salt.length !== SALT_BYTES) throw new RangeError(`salt of ${salt.length} bytes`);
  const salted = await promisify(pbkdf2)(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

export { SALT_BYTES as SCRAM_SALT_BYTES };
