import { InvalidRequest, UnsupportedPath } from '../base/errors.ts';
import type { UnknownRecord } from '../base/json.ts';
import type { Logger } from '../base/logger.ts';
import type { EnginePath } from '../engine/engine.ts';
import { boolean, integer, list, text } from '../engine/fields.ts';
import { dataReply, type Reply } from '../engine/reply.ts';
import type { CeremonySet } from '../lifecycle/ceremonies.ts';
import { decodeToken } from '../lifecycle/generate-root.ts';
import type { Delivery, ShareKind } from '../lifecycle/protection.ts';
import type { RekeyRequest, ShareInput } from '../lifecycle/rekey.ts';
import { type SystemContext, systemPath } from '../mounts/system-context.ts';
import type { SystemParts } from './parts.ts';

/**
 * `sys/rekey*`, `sys/generate-root*` and their forms with a token, `sys/rotate/{root,recovery}/*`. Who holds shares needs
 * no token for the former: they are audited like everything else, and throttled by address.
 */
export function ceremonyPaths(parts: SystemParts): EnginePath[] {
  return [
    ...rekeyPaths(new Door(parts, 'open'), 'unseal', 'rekey'),
    ...rekeyPaths(new Door(parts, 'open'), 'recovery', 'rekey-recovery-key'),
    ...rekeyPaths(new Door(parts, 'authenticated'), 'unseal', 'rotate/root'),
    ...rekeyPaths(new Door(parts, 'authenticated'), 'recovery', 'rotate/recovery'),
    ...rootTokenPaths(new Door(parts, 'open'), ['generate-root', 'generate-root/attempt'], 'generate-root'),
    ...rootTokenPaths(
      new Door(parts, 'authenticated'),
      ['generate-root-token/attempt'],
      'generate-root-token',
    ),
    backupPath(parts, 'unseal', 'rekey/backup'),
    backupPath(parts, 'unseal', 'rotate/root/backup'),
    backupPath(parts, 'recovery', 'rekey/recovery-key-backup'),
    backupPath(parts, 'recovery', 'rekey-recovery-key/backup'),
    backupPath(parts, 'recovery', 'rotate/recovery/backup'),
    rotateRootPath(parts),
    decodePath(),
  ];
}

/** Where a ceremony is called from: by anybody, or with a token that has `sudo` there. */
class Door {
  readonly #parts: SystemParts;
  readonly #kind: 'open' | 'authenticated';
  readonly #log: Logger;

  constructor(parts: SystemParts, kind: 'open' | 'authenticated') {
    this.#parts = parts;
    this.#kind = kind;
    this.#log = parts.log.named('ceremony');
  }

  get open(): boolean {
    return this.#kind === 'open';
  }

  /** Who may call, as the path says it. */
  get access(): { public: true } | { sudo: true } {
    return this.open ? { public: true } : { sudo: true };
  }

  read(run: Step) {
    return this.#operation(undefined, run);
  }

  start(run: Step) {
    return this.#operation('begun', run);
  }

  /** `what` was done, for the log: there everybody sees who began, went on with or ended a ceremony, and from where. */
  change(what: string, run: Step) {
    return this.#operation(what, run);
  }

  #operation(what: string | undefined, run: Step) {
    return {
      outside: true,
      handler: async (context: SystemContext, input: CeremonyInput): Promise<Reply | undefined> => {
        this.#admit(context, what);
        let delivery: Delivery | undefined;
        const deliver = (told: Delivery): void => {
          delivery = told;
        };
        const data = await this.#logged(context, what, (set) => run(set, input, deliver));
        if (!data) return undefined;
        const delivered = delivery && { delivered: this.#told(delivery) };
        return this.open ? { data, topLevel: 'only', ...delivered } : { data, ...delivered };
      },
    };
  }

  /** Nobody waits for it: where it comes too late, because the server seals, the next unsealing settles it. */
  #told(delivery: Delivery): (delivered: boolean) => void {
    return (delivered) => {
      this.#parts.ceremonies
        .step(() => delivery(delivered))
        .catch((error) => this.#log.error('it is not settled yet which shares hold', { error }));
    };
  }

  #admit({ request, listener }: SystemContext, what: string | undefined): void {
    if (!this.open) return;
    const rekey = request.path.startsWith('rekey');
    if (rekey ? !listener.unauthenticatedRekey : !listener.unauthenticatedRootGeneration)
      throw new UnsupportedPath(
        `this listener takes no key ceremonies without a token; with one: ${rekey ? 'sys/rotate/root, sys/rotate/recovery' : 'sys/generate-root-token'}`,
      );
    const { throttle } = this.#parts.ceremonies;
    throttle.call(request.remoteAddress);
    if (what === 'begun') throttle.start();
  }

  async #logged(
    { request }: SystemContext,
    what: string | undefined,
    run: (set: CeremonySet) => Shown | Promise<Shown>,
  ): Promise<Shown> {
    const { ceremonies } = this.#parts;
    const from = { path: request.path, request: request.id, remote_address: request.remoteAddress };
    try {
      const data = await ceremonies.step(() => run(ceremonies[this.#kind]));
      if (what) this.#log.info(`a key ceremony was ${what}`, from);
      return data;
    } catch (error) {
      if (what && error instanceof InvalidRequest)
        this.#log.warn(`a key ceremony was not ${what}`, { ...from, reason: error.message });
      throw error;
    }
  }
}

type Shown = UnknownRecord | undefined;
type Step = (
  set: CeremonySet,
  input: CeremonyInput,
  deliver: (delivery: Delivery) => void,
) => Shown | Promise<Shown>;
type CeremonyInput = RekeyRequest &
  Partial<ShareInput> & {
    readonly otp?: string | undefined;
    readonly pgp_key?: string | undefined;
  };

const SHARE = {
  key: text({ description: 'A share, hex or base64.', secret: true, required: true }),
  nonce: text({ description: 'Names the attempt.' }),
};
const CANCELLED = { nonce: text({ description: 'Names the attempt.', query: true }) };

function rekeyPaths(door: Door, kind: ShareKind, prefix: string): EnginePath[] {
  return [
    systemPath({
      pattern: `${prefix}/init`,
      summary: 'Begins to make new shares, shows how far that is, or cancels it.',
      ...door.access,
      fields: {
        secret_shares: integer({ description: 'Number of new shares.' }),
        secret_threshold: integer({ description: 'How many of them are needed together.' }),
        pgp_keys: list({ description: 'PGP public keys, base64, one for each share, to encrypt them to.' }),
        backup: boolean({ description: 'Keeps the encrypted shares in the store.' }),
        require_verification: boolean({
          description: 'The new shares hold only when enough of them were given back.',
        }),
        stored_shares: integer({ description: 'Kept for compatibility.' }),
        ...CANCELLED,
      },
      operations: {
        read: door.read((set) => set[kind].status()),
        write: door.start((set, input) => set[kind].start(input)),
        delete: door.change('cancelled', (set, { nonce }) => set[kind].cancel(nonce, { bound: door.open })),
      },
    }),
    systemPath({
      pattern: `${prefix}/update`,
      summary: 'Takes one of the present shares; with enough of them, shows the new ones.',
      ...door.access,
      fields: SHARE,
      operations: {
        write: door.change('continued', (set, input, deliver) => set[kind].update(input, deliver)),
      },
    }),
    systemPath({
      pattern: `${prefix}/verify`,
      summary: 'Takes one of the new shares; with enough of them, they hold.',
      ...door.access,
      fields: {
        ...SHARE,
        key: text({ description: 'A new share, hex or base64.', secret: true, required: true }),
      },
      operations: {
        read: door.read((set) => set[kind].verifyStatus()),
        write: door.change('continued', (set, input) => set[kind].verify(input)),
        delete: door.change('restarted', (set) => set[kind].restartVerification()),
      },
    }),
  ];
}

function rootTokenPaths(door: Door, attempts: readonly string[], prefix: string): EnginePath[] {
  return [
    ...attempts.map((pattern) =>
      systemPath({
        pattern,
        summary: 'Begins to make a root token, shows how far that is, or cancels it.',
        ...door.access,
        fields: {
          otp: text({ description: 'Hides the token; absent: the server makes one.', secret: true }),
          pgp_key: text({ description: 'PGP public key, base64, to encrypt the token to.' }),
          ...CANCELLED,
        },
        operations: {
          read: door.read((set) => set.rootToken.status()),
          write: door.start((set, input) => set.rootToken.start(input)),
          delete: door.change('cancelled', (set, { nonce }) => set.rootToken.cancel(nonce)),
        },
      }),
    ),
    systemPath({
      pattern: `${prefix}/update`,
      summary: 'Takes one of the shares; with enough of them, shows the encoded token.',
      ...door.access,
      fields: SHARE,
      operations: { write: door.change('continued', (set, input) => set.rootToken.update(input)) },
    }),
  ];
}

function backupPath({ ceremonies, lifecycle }: SystemParts, kind: ShareKind, pattern: string): EnginePath {
  return systemPath({
    pattern,
    summary: 'The encrypted shares that the last change of shares left in the store.',
    sudo: true,
    fields: {},
    operations: {
      read: {
        handler: () => ({ ...dataReply(shown(lifecycle.protection.backup(kind))), topLevel: 'also' }),
      },
      delete: {
        outside: true,
        async handler() {
          await ceremonies.step(() => lifecycle.protection.deleteBackup(kind));
          return undefined;
        },
      },
    },
  });
}

function rotateRootPath({ ceremonies }: SystemParts): EnginePath {
  return systemPath({
    pattern: 'rotate/root',
    summary: 'Replaces the root key without the shares, which stay good.',
    sudo: true,
    fields: {},
    operations: {
      write: {
        outside: true,
        async handler() {
          await ceremonies.rotateRoot();
          return undefined;
        },
      },
    },
  });
}

function decodePath(): EnginePath {
  return systemPath({
    pattern: 'decode-token',
    summary: 'Decodes the token that generating a root token ended with.',
    public: true,
    fields: {
      encoded_token: text({ description: 'As the last share was answered with.', secret: true }),
      otp: text({ description: 'The one-time password of the start.', secret: true }),
    },
    operations: {
      write: {
        handler(_, { encoded_token: encoded, otp }) {
          if (!encoded) throw new InvalidRequest('missing encoded_token');
          if (!otp) throw new InvalidRequest('missing otp');
          return { data: { token: decodeToken(encoded, otp) } };
        },
      },
    },
  });
}

function shown(backup: object | undefined): UnknownRecord | undefined {
  return backup && { ...backup };
}
