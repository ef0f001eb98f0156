import { type SealDeps, SealInvalid, type SealOptions } from './options.ts';
import { openPkcs11 } from './pkcs11/service.ts';
import type { Seal } from './seal.ts';
import { type KeyService, serviceSeal } from './service.ts';
import { openAwsKms } from './services/awskms.ts';
import { openAzureKeyVault } from './services/azurekeyvault.ts';
import { openGcpKms } from './services/gcpckms.ts';
import { openTransit } from './services/transit.ts';
import { openStaticSeal, STATIC } from './static.ts';

/** The automatic seals that have a key service behind them, by the label of their block. */
const SERVICES: ReadonlyMap<string, (options: SealOptions, deps: SealDeps) => KeyService> = new Map([
  ['transit', openTransit],
  ['awskms', openAwsKms],
  ['gcpckms', openGcpKms],
  ['azurekeyvault', openAzureKeyVault],
  ['pkcs11', openPkcs11],
]);

/**
 * Opens an automatic seal; that a key service is away does not show before it is used. Rejects with `SealInvalid`, or
 * `StaticSealInvalid`, for what no time will mend.
 */
export async function openSeal(
  { type, name, options }: { type: string; name: string; options: SealOptions },
  deps: SealDeps,
): Promise<Seal> {
  if (type === STATIC) {
    const { current_key_id = '', current_key = '', previous_key_id, previous_key } = options;
    return openStaticSeal({ name, current_key_id, current_key, previous_key_id, previous_key }, deps);
  }
  const open = SERVICES.get(type);
  if (!open) throw new SealInvalid(`there is no seal ${JSON.stringify(type)}`);
  try {
    return serviceSeal({ type, name, service: open(options, deps), ...deps });
  } catch (error) {
    throw error instanceof SealInvalid
      ? new SealInvalid(`seal ${JSON.stringify(name)}: ${error.message}`)
      : error;
  }
}
