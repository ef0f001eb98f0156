import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { InvalidRequest } from '../base/errors.ts';

/** The TLS part of a `listener` stanza; names are Vault's in camel case. */
export interface TlsConfig {
  readonly tlsDisable?: boolean | undefined;
  readonly tlsCertFile?: string | undefined;
  readonly tlsKeyFile?: string | undefined;
  readonly tlsClientCaFile?: string | undefined;
  /** `tls10` to `tls13`; `tls12` if left out. */
  readonly tlsMinVersion?: string | undefined;
  readonly tlsMaxVersion?: string | undefined;
  /** Go's names, as Vault takes them, or OpenSSL's. They matter for TLS 1.2 and before only. */
  readonly tlsCipherSuites?: readonly string[] | undefined;
  readonly tlsRequireAndVerifyClientCert?: boolean | undefined;
  readonly tlsDisableClientCerts?: boolean | undefined;
}

/** What was read from the files, checked to fit together. */
export interface TlsMaterial {
  readonly options: SecureContextOptions;
  readonly serial: string;
  /** RFC 1123 text, as OpenSSL prints it. */
  readonly notAfter: string;
}

const VERSIONS: ReadonlyMap<string, SecureVersion> = new Map([
  ['tls10', 'TLSv1'],
  ['tls11', 'TLSv1.1'],
  ['tls12', 'TLSv1.2'],
  ['tls13', 'TLSv1.3'],
]);

/** Go's names of the TLS 1.2 suites that OpenSSL has too. */
const CIPHER_SUITES: ReadonlyMap<string, string> = new Map([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'ECDHE-ECDSA-AES128-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256'],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA256', 'AES128-SHA256'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA'],
]);

/**
 * Reads certificate, key and client authorities and checks that they make a working context. Throws
 * `InvalidRequest` naming the parameter or the file, never showing what is in it.
 */
export async function loadTls(config: TlsConfig): Promise<TlsMaterial> {
  if (config.tlsRequireAndVerifyClientCert && config.tlsDisableClientCerts) {
    throw new InvalidRequest(
      'tls_disable_client_certs and tls_require_and_verify_client_cert are mutually exclusive',
    );
  }
  const { tlsCertFile, tlsKeyFile } = config;
  if (!tlsCertFile) throw new InvalidRequest("'tls_cert_file' is required unless tls_disable is set");
  if (!tlsKeyFile) throw new InvalidRequest("'tls_key_file' is required unless tls_disable is set");
  const cert = await readPem('tls_cert_file', tlsCertFile);
  const key = await readPem('tls_key_file', tlsKeyFile);
  const options: SecureContextOptions = {
    cert,
    key,
    minVersion: version('tls_min_version', config.tlsMinVersion ?? 'tls12'),
    maxVersion: version('tls_max_version', config.tlsMaxVersion ?? 'tls13'),
    honorCipherOrder: true,
  };
  if (config.tlsClientCaFile) options.ca = await readPem('tls_client_ca_file', config.tlsClientCaFile);
  if (config.tlsCipherSuites && config.tlsCipherSuites.length > 0) {
    options.ciphers = config.tlsCipherSuites.map(cipherSuite).join(':');
  }
  return { options, ...described(options, cert, tlsCertFile, tlsKeyFile) };
}

/** Changes when one of the files was written or replaced. Missing files are part of it. */
export async function tlsFingerprint(config: TlsConfig): Promise<string> {
  const files = [config.tlsCertFile, config.tlsKeyFile, config.tlsClientCaFile];
  const parts = await Promise.all(files.map((file) => (file ? fileFingerprint(file) : '')));
  return parts.join('|');
}

async function fileFingerprint(file: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(file, { bigint: true });
    return `${ino}:${mtimeNs}:${size}`;
  } catch {
    return 'missing';
  }
}

async function readPem(parameter: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new InvalidRequest(`${parameter}: cannot read ${file}: ${reason}`, { cause: error });
  }
}

function version(parameter: string, name: string): SecureVersion {
  const found = VERSIONS.get(name);
  if (!found) throw new InvalidRequest(`${parameter}: ${JSON.stringify(name)} is none of tls10 to tls13`);
  return found;
}

function cipherSuite(name: string): string {
  if (/^[A-Z0-9]+(?:-[A-Z0-9]+)+$/.test(name)) return name;
  const found = CIPHER_SUITES.get(name);
  if (!found) throw new InvalidRequest(`tls_cipher_suites: unsupported suite ${JSON.stringify(name)}`);
  return found;
}

function described(
  options: SecureContextOptions,
  cert: Buffer,
  certFile: string,
  keyFile: string,
): { serial: string; notAfter: string } {
  try {
    createSecureContext(options);
    const leaf = new X509Certificate(cert);
    return { serial: leaf.serialNumber, notAfter: leaf.validTo };
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown';
    throw new InvalidRequest(`cannot use ${certFile} with ${keyFile}: ${reason}`, { cause: error });
  }
}
