import { boolean, duration, string, strings } from './flags.ts';

/** How to reach the server; every command that sends a request has these. */
export const httpFlags = {
  address: string({
    usage: 'Address of the server. The default is https://127.0.0.1:8200.',
    environment: 'VAULT_ADDR',
  }),
  'agent-address': string({ usage: 'Address of an agent to ask instead.', environment: 'VAULT_AGENT_ADDR' }),
  'ca-cert': string({
    usage:
      'File with the PEM certificate of the authority that signed the server’s. It goes before -ca-path.',
    environment: 'VAULT_CACERT',
  }),
  'ca-path': string({
    usage: 'Directory of PEM certificates of authorities to trust.',
    environment: 'VAULT_CAPATH',
  }),
  'client-cert': string({
    usage: 'File with the PEM certificate to show to the server. -client-key must be given too.',
    environment: 'VAULT_CLIENT_CERT',
  }),
  'client-key': string({
    usage: 'File with the PEM key, not encrypted, of -client-cert.',
    environment: 'VAULT_CLIENT_KEY',
  }),
  'disable-redirects': boolean({
    usage: 'Do not follow the one redirect that is followed otherwise.',
    environment: 'VAULT_DISABLE_REDIRECTS',
  }),
  header: strings({
    usage:
      'HTTP header to send, as name=value; may be given several times. Names starting with X-Vault- are refused.',
  }),
  mfa: strings({
    usage: 'Credential for multi-factor authentication, as method[:passcode]; may be given several times.',
    environment: 'VAULT_MFA',
  }),
  namespace: string({
    usage: 'Namespace in which the command works.',
    aliases: ['ns'],
    environment: 'VAULT_NAMESPACE',
  }),
  'non-interactive': boolean({ usage: 'Never ask; fail where an answer would be needed.' }),
  'output-curl-string': boolean({
    usage: 'Print the request as a cURL command instead of sending it.',
  }),
  'output-policy': boolean({
    usage: 'Print the policy that the request needs instead of sending it.',
  }),
  'policy-override': boolean({ usage: 'Override soft-mandatory policies.' }),
  'tls-server-name': string({
    usage: 'Name to ask for and to expect in the server’s certificate.',
    environment: 'VAULT_TLS_SERVER_NAME',
  }),
  'tls-skip-verify': boolean({
    usage: 'Do not check the server’s certificate. Whoever sits between can then read everything.',
    environment: 'VAULT_SKIP_VERIFY',
  }),
  'unlock-key': string({ usage: 'Key that unlocks a locked namespace.' }),
  'wrap-ttl': duration({
    usage: 'Wrap the reply in a token that lives as long as this and is unwrapped once.',
    environment: 'VAULT_WRAP_TTL',
  }),
};

export const FORMATS = ['table', 'json', 'yaml', 'pretty', 'raw'] as const;
export type Format = (typeof FORMATS)[number];

export const formatFlags = {
  format: string({
    usage: 'How to print: table, json, yaml, pretty, or, for what is read, raw.',
    environment: 'VAULT_FORMAT',
    values: FORMATS,
  }),
};

export const fieldFlags = {
  field: string({
    usage: 'Print only this field, without a newline at the end of it where output is not a terminal.',
  }),
};
