/** The release of this program, and the Vault version whose API it speaks, which tools compare with. */
export const VERSION = '0.1.0';

export function versionLine(): string {
  return `Coffer v${VERSION}`;
}
