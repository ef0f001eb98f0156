import { InvalidRequest, NotFound } from '../../base/errors.ts';
import type { UnknownRecord } from '../../base/json.ts';
import { path, type RequestContext } from '../../engine/engine.ts';
import { boolean, duration, type Fields, type Input, integer, map, restOfPath } from '../../engine/fields.ts';
import { pageFields } from '../../engine/paging.ts';
import { checkedCustomMetadata } from './custom-metadata.ts';
import { listMetadata, scanMetadata } from './listing.ts';
import { mergePatch } from './merge-patch.ts';
import {
  deleteSecret,
  newSecret,
  readConfig,
  readSecret,
  type SecretRecord,
  secretPath,
  writeSecret,
} from './records.ts';
import { shownSecret } from './shown.ts';

const metadataFields = {
  path: restOfPath('Where the secret lies.'),
  max_versions: integer({ description: "How many versions are kept; 0 takes the mount's setting." }),
  cas_required: boolean({ description: 'Every write must say which version it replaces (options.cas).' }),
  delete_version_after: duration({
    description:
      "How long after its writing a version counts as deleted; not longer than the mount's. Zero clears the setting.",
  }),
  custom_metadata: map({
    description: 'Your own notes on the secret: up to 64 keys of 128 bytes with values of 512 bytes.',
  }),
  metadata_cas: integer({ description: 'The version of the metadata that this write replaces.' }),
  metadata_cas_required: boolean({
    description: 'Every write of this metadata must say which version of it it replaces (metadata_cas).',
  }),
  ...pageFields,
} satisfies Fields;

type MetadataInput = Input<typeof metadataFields>;

export const metadataPath = path({
  pattern: 'metadata/{path...}',
  summary: 'What is known about a secret besides its contents; the names in a folder.',
  description: 'A deletion removes the secret with all its versions.',
  fields: metadataFields,
  exists: ({ view }, input) => readSecret(view, input.path) !== undefined,
  operations: {
    read: {
      handler({ view }, input) {
        const where = secretPath(input.path);
        const secret = readSecret(view, where);
        if (!secret) throw new NotFound();
        return { data: shownSecret(view, where, secret) };
      },
    },
    write: {
      handler(context, input) {
        const where = secretPath(input.path);
        const before = readSecret(context.view, where);
        const custom = input.custom_metadata && checkedCustomMetadata(input.custom_metadata);
        writeMetadata(context, where, before ?? newSecret(context.clock.now()), input, custom);
        return undefined;
      },
    },
    patch: {
      handler(context, input) {
        const where = secretPath(input.path);
        const before = readSecret(context.view, where);
        if (!before) throw new NotFound();
        const { cleared, custom } = patched(before, context.request.data, input.custom_metadata);
        writeMetadata(context, where, before, { ...input, ...cleared }, custom);
        return undefined;
      },
    },
    delete: {
      summary: 'Removes the secret with all its versions.',
      handler({ view }, input) {
        const where = secretPath(input.path);
        const secret = readSecret(view, where);
        if (secret) deleteSecret(view, where, secret);
        return undefined;
      },
    },
    list: { handler: (context, input) => listMetadata(context, input) },
    scan: { handler: (context, input) => scanMetadata(context, input) },
  },
});

export const detailedMetadataPath = path({
  pattern: 'detailed-metadata/{path...}',
  summary: 'The names in a folder, each with all its metadata.',
  fields: { path: restOfPath('The folder.'), ...pageFields },
  operations: {
    list: { handler: (context, input) => listMetadata(context, input, { detailed: true }) },
    scan: { handler: (context, input) => scanMetadata(context, input, { detailed: true }) },
  },
});

/** `custom` undefined leaves the custom metadata as it is, null clears it. */
function writeMetadata(
  { view, clock, warn }: RequestContext,
  where: string,
  before: SecretRecord,
  input: MetadataInput,
  custom: Record<string, string> | null | undefined,
): void {
  const settings = [
    input.max_versions,
    input.cas_required,
    input.delete_version_after,
    input.metadata_cas_required,
    custom,
  ];
  if (settings.every((setting) => setting === undefined)) return;
  if ((input.max_versions ?? 0) < 0) throw new InvalidRequest('max_versions cannot be negative');
  if ((input.delete_version_after ?? 0) < 0) {
    throw new InvalidRequest('delete_version_after cannot be negative');
  }
  const config = readConfig(view);
  checkMetadataCas(config.metadataCasRequired || before.metadataCasRequired, before, input.metadata_cas);
  for (const [field, asked, mandated] of [
    ['cas_required', input.cas_required, config.casRequired],
    ['metadata_cas_required', input.metadata_cas_required, config.metadataCasRequired],
  ] as const) {
    if (asked === false && mandated) {
      warn(`"${field}" set to false, but is mandated by backend config. This value will be ignored.`);
    }
  }
  writeSecret(view, where, {
    ...before,
    updatedAtMs: clock.now(),
    metadataVersion: before.metadataVersion + 1,
    customMetadata: custom === undefined ? before.customMetadata : custom,
    maxVersions: input.max_versions ?? before.maxVersions,
    casRequired: input.cas_required ?? before.casRequired,
    metadataCasRequired: input.metadata_cas_required ?? before.metadataCasRequired,
    deleteVersionAfterSeconds: input.delete_version_after ?? before.deleteVersionAfterSeconds,
  });
}

function checkMetadataCas(required: boolean, secret: SecretRecord, cas: number | undefined): void {
  if (cas === undefined) {
    if (required) throw new InvalidRequest('metadata check-and-set parameter required for this call');
  } else if (cas !== secret.metadataVersion) {
    throw new InvalidRequest('metadata check-and-set parameter did not match the current version');
  }
}

const CLEARED: Partial<MetadataInput> = {
  max_versions: 0,
  cas_required: false,
  delete_version_after: 0,
  metadata_cas_required: false,
};

/** A merge patch clears what it gives as null; parsed input cannot tell that from absent. */
function patched(
  before: SecretRecord,
  data: UnknownRecord,
  given: UnknownRecord | undefined,
): { cleared: Partial<MetadataInput>; custom: Record<string, string> | null | undefined } {
  const isNull = (field: string) => Object.hasOwn(data, field) && data[field] === null;
  const cleared = Object.fromEntries(Object.entries(CLEARED).filter(([field]) => isNull(field)));
  if (isNull('custom_metadata')) return { cleared, custom: null };
  const custom = given && checkedCustomMetadata(mergePatch({ ...before.customMetadata }, given));
  return { cleared, custom };
}
