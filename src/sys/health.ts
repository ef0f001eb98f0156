import { InvalidRequest } from '../base/errors.ts';

interface Codes {
  readonly activecode?: number | undefined;
  readonly sealedcode?: number | undefined;
  readonly uninitcode?: number | undefined;
}

/** The status `sys/health` answers with: 200 active, 501 not initialised, 503 sealed, unless the request says otherwise. */
export function sealCodes(state: { initialized: boolean; sealed: boolean }, codes: Codes): number {
  const status = !state.initialized
    ? (codes.uninitcode ?? 501)
    : state.sealed
      ? (codes.sealedcode ?? 503)
      : (codes.activecode ?? 200);
  if (status < 200 || status > 599) throw new InvalidRequest('the status asked for is not one of HTTP');
  return status;
}
