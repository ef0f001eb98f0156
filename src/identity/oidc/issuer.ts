import { InvalidRequest } from '../../base/errors.ts';

/** Where this server is reached, and the namespace's path (`''`, `team/`). */
export interface Place {
  readonly apiAddress: string;
  readonly namespacePath: string;
}

/** The issuer of identity tokens; also where their keys are found. */
export function tokenIssuer(configured: string, { apiAddress, namespacePath }: Place): string {
  return `${configured || apiAddress}/v1/${namespacePath}identity/oidc`;
}

export function providerIssuer(provider: { name: string; issuer: string }, place: Place): string {
  return `${tokenIssuer(provider.issuer, place)}/provider/${provider.name}`;
}

/** Where people come to sign in. */
export function authorizationPage(
  provider: { name: string; issuer: string },
  { apiAddress, namespacePath }: Place,
): string {
  return `${provider.issuer || apiAddress}/ui/${namespacePath}identity/oidc/provider/${provider.name}/authorize`;
}

/** `scheme://host:port`, or '' for the server's own. Throws `InvalidRequest`. */
export function checkedIssuer(issuer: string): string {
  if (issuer === '') return '';
  const url = URL.parse(issuer);
  const plain = url && /^https?:$/.test(url.protocol) && `${url.protocol}//${url.host}`;
  if (!plain || !/^https?:\/\/[^/?#@]+$/.test(issuer)) {
    throw new InvalidRequest(
      'invalid issuer, which must include only a scheme, host, and optional port (e.g. https://example.com:8200)',
    );
  }
  return issuer;
}
