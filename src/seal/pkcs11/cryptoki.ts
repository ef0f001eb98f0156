/** The few functions of a PKCS#11 library (version 2.40) that the seal needs, called through koffi. Blocks; for `child.ts` only. */
import koffi, { type TypeObject } from 'koffi';

/** Names as in the standard. */
export const CKK_AES = 0x1f;
export const CKK_RSA = 0x00;
export const CKO_PUBLIC_KEY = 2;
export const CKO_PRIVATE_KEY = 3;
export const CKO_SECRET_KEY = 4;
export const CKM_RSA_PKCS_OAEP = 0x0009;
export const CKM_AES_GCM = 0x1087;
const CKM_AES_KEY_GEN = 0x1080;
const CKF_SERIAL_SESSION = 4;
const CKF_RW_SESSION = 2;
const CKU_USER = 1;
const CKZ_DATA_SPECIFIED = 1;
const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;

const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  valueLength: 0x161,
  extractable: 0x162,
} as const;

/** Hash and mask generation function by the name of the hash. */
const OAEP_HASHES: ReadonlyMap<string, readonly [hash: number, mgf: number]> = new Map([
  ['sha1', [0x220, 1]],
  ['sha224', [0x255, 5]],
  ['sha256', [0x250, 2]],
  ['sha384', [0x260, 3]],
  ['sha512', [0x270, 4]],
]);

const CODES: ReadonlyMap<number, string> = new Map([
  [0x03, 'CKR_SLOT_ID_INVALID'],
  [0x05, 'CKR_GENERAL_ERROR'],
  [0x30, 'CKR_DEVICE_ERROR'],
  [0x32, 'CKR_DEVICE_REMOVED'],
  [0x40, 'CKR_ENCRYPTED_DATA_INVALID'],
  [0x41, 'CKR_ENCRYPTED_DATA_LEN_RANGE'],
  [0x63, 'CKR_KEY_TYPE_INCONSISTENT'],
  [0x68, 'CKR_KEY_FUNCTION_NOT_PERMITTED'],
  [0x70, 'CKR_MECHANISM_INVALID'],
  [0x71, 'CKR_MECHANISM_PARAM_INVALID'],
  [0xa0, 'CKR_PIN_INCORRECT'],
  [0xa4, 'CKR_PIN_LOCKED'],
  [0xe0, 'CKR_TOKEN_NOT_PRESENT'],
]);

/** A function did not return `CKR_OK`. */
export class CryptokiError extends Error {
  /** `CKR_…`, or the number of one that is not known here. */
  readonly code: string;
  constructor(name: string, value: number) {
    const code = CODES.get(value) ?? `0x${value.toString(16)}`;
    super(`${name}: ${code}`);
    this.code = code;
  }
}

type Kind = 'ulong' | 'void *' | 'in/out ulong' | 'attributes' | 'mechanism';

/** Places in the table of functions, with their parameters. */
const FUNCTIONS = {
  C_Initialize: [0, ['void *']],
  C_Finalize: [1, ['void *']],
  C_GetSlotList: [4, ['ulong', 'void *', 'in/out ulong']],
  C_GetTokenInfo: [6, ['ulong', 'void *']],
  C_OpenSession: [12, ['ulong', 'ulong', 'void *', 'void *', 'in/out ulong']],
  C_CloseSession: [13, ['ulong']],
  C_Login: [18, ['ulong', 'ulong', 'void *', 'ulong']],
  C_FindObjectsInit: [26, ['ulong', 'attributes', 'ulong']],
  C_FindObjects: [27, ['ulong', 'void *', 'ulong', 'in/out ulong']],
  C_FindObjectsFinal: [28, ['ulong']],
  C_EncryptInit: [29, ['ulong', 'mechanism', 'ulong']],
  C_Encrypt: [30, ['ulong', 'void *', 'ulong', 'void *', 'in/out ulong']],
  C_DecryptInit: [33, ['ulong', 'mechanism', 'ulong']],
  C_Decrypt: [34, ['ulong', 'void *', 'ulong', 'void *', 'in/out ulong']],
  C_GenerateKey: [58, ['ulong', 'mechanism', 'attributes', 'ulong', 'in/out ulong']],
} as const satisfies Record<string, readonly [place: number, kinds: readonly Kind[]]>;

type FunctionName = keyof typeof FUNCTIONS;

const ULONG_BYTES = koffi.sizeof('ulong');
const POINTER_BYTES = koffi.sizeof('void *');
const LABEL_BYTES = 32;
/** `CK_TOKEN_INFO` is shorter; its label comes first. */
const TOKEN_INFO_BYTES = 1024;
const SLOTS_MAX = 1024;
const OUTPUT_BYTES_MAX = 4096;

const attribute = koffi.struct('CK_ATTRIBUTE', { type: 'ulong', pValue: 'void *', ulValueLen: 'ulong' });
const mechanism = koffi.struct('CK_MECHANISM', {
  mechanism: 'ulong',
  pParameter: 'void *',
  ulParameterLen: 'ulong',
});
const gcmParameters = koffi.struct('CK_GCM_PARAMS', {
  pIv: 'void *',
  ulIvLen: 'ulong',
  ulIvBits: 'ulong',
  pAAD: 'void *',
  ulAADLen: 'ulong',
  ulTagBits: 'ulong',
});
const oaepParameters = koffi.struct('CK_RSA_PKCS_OAEP_PARAMS', {
  hashAlg: 'ulong',
  mgf: 'ulong',
  source: 'ulong',
  pSourceData: 'void *',
  ulSourceDataLen: 'ulong',
});

const TYPES = {
  ulong: 'ulong',
  'void *': 'void *',
  'in/out ulong': koffi.inout(koffi.pointer('ulong')),
  attributes: koffi.pointer(attribute),
  mechanism: koffi.pointer(mechanism),
} as const satisfies Record<Kind, unknown>;

/** What tells a key from others of a token. */
export interface KeyQuery {
  readonly class: number;
  readonly keyType: number;
  readonly label?: string | undefined;
  readonly id?: Buffer | undefined;
}

/** A mechanism with its parameters, as a library takes them. */
export interface Mechanism {
  readonly mechanism: number;
  readonly pParameter: unknown;
  readonly ulParameterLen: number;
}

/** The library may put a nonce of its own into `iv`. */
export function aesGcm(iv: Buffer): Mechanism {
  const parameters = {
    pIv: iv,
    ulIvLen: iv.length,
    ulIvBits: iv.length * 8,
    pAAD: null,
    ulAADLen: 0,
    ulTagBits: 128,
  };
  return withParameters(CKM_AES_GCM, parameters, gcmParameters);
}

/** Undefined for a hash that is none. */
export function rsaOaep(hash: string): Mechanism | undefined {
  const found = OAEP_HASHES.get(hash);
  if (!found) return undefined;
  const [hashAlg, mgf] = found;
  const parameters = { hashAlg, mgf, source: CKZ_DATA_SPECIFIED, pSourceData: null, ulSourceDataLen: 0 };
  return withParameters(CKM_RSA_PKCS_OAEP, parameters, oaepParameters);
}

function withParameters(number: number, parameters: object, type: TypeObject): Mechanism {
  return {
    mechanism: number,
    pParameter: koffi.as(parameters, koffi.pointer(type)),
    ulParameterLen: koffi.sizeof(type),
  };
}

/** An initialised library. */
export class Cryptoki {
  readonly #call: (name: FunctionName, ...values: unknown[]) => void;

  /** Throws when the library cannot be loaded, and `CryptokiError`. */
  constructor(path: string) {
    const library = koffi.load(path);
    const getFunctionList = library.func('C_GetFunctionList', 'ulong', [koffi.out(koffi.pointer('void *'))]);
    const list: [unknown] = [null];
    const status = Number(getFunctionList(list));
    if (status !== 0) throw new CryptokiError('C_GetFunctionList', status);
    // The version, two bytes, is filled up to the first pointer.
    this.#call = (name, ...values) => {
      const [place, kinds] = FUNCTIONS[name];
      const pointer = koffi.decode(list[0], POINTER_BYTES * (1 + place), 'void *');
      const types = kinds.map((kind) => TYPES[kind]);
      const result = Number(koffi.call(pointer, koffi.proto('ulong', types), ...values));
      if (result !== 0) throw new CryptokiError(name, result);
    };
    try {
      this.#call('C_Initialize', null);
    } catch (error) {
      if (
        !(error instanceof CryptokiError) ||
        error.code !== `0x${CKR_CRYPTOKI_ALREADY_INITIALIZED.toString(16)}`
      )
        throw error;
    }
  }

  /** The slot of the token with this label. */
  slotOf(label: string): number | bigint | undefined {
    const bytes = Buffer.alloc(SLOTS_MAX * ULONG_BYTES);
    const count: [number] = [SLOTS_MAX];
    this.#call('C_GetSlotList', 1, bytes, count);
    for (let at = 0; at < Number(count[0]); at++) {
      const slot = readUlong(bytes, at);
      const info = Buffer.alloc(TOKEN_INFO_BYTES);
      this.#call('C_GetTokenInfo', slot, info);
      if (info.toString('utf8', 0, LABEL_BYTES).trimEnd() === label) return slot;
    }
    return undefined;
  }

  /** A session of the token's user. */
  logIn(slot: number | bigint, pin: string, { writes }: { writes: boolean }): Session {
    const handle: [number | bigint] = [0];
    const flags = CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0);
    this.#call('C_OpenSession', slot, flags, null, null, handle);
    const bytes = Buffer.from(pin);
    this.#call('C_Login', handle[0], CKU_USER, bytes, bytes.length);
    return new Session(this.#call, handle[0]);
  }

  close(): void {
    this.#call('C_Finalize', null);
  }
}

export class Session {
  readonly #call: (name: FunctionName, ...values: unknown[]) => void;
  readonly #handle: number | bigint;

  constructor(call: (name: FunctionName, ...values: unknown[]) => void, handle: number | bigint) {
    this.#call = call;
    this.#handle = handle;
  }

  /** The first key that fits. */
  find(query: KeyQuery): number | bigint | undefined {
    const template = [ulongOf(CKA.class, query.class), ulongOf(CKA.keyType, query.keyType)];
    if (query.label !== undefined) template.push(bytesOf(CKA.label, Buffer.from(query.label)));
    if (query.id) template.push(bytesOf(CKA.id, query.id));
    this.#call('C_FindObjectsInit', this.#handle, template, template.length);
    const found = Buffer.alloc(ULONG_BYTES);
    const count: [number] = [0];
    this.#call('C_FindObjects', this.#handle, found, 1, count);
    this.#call('C_FindObjectsFinal', this.#handle);
    return Number(count[0]) > 0 ? readUlong(found, 0) : undefined;
  }

  /** A new AES key of 256 bits that never leaves the token. */
  generateAes(label: string): number | bigint {
    const on = Buffer.from([1]);
    const template = [
      ulongOf(CKA.class, CKO_SECRET_KEY),
      ulongOf(CKA.keyType, CKK_AES),
      ulongOf(CKA.valueLength, 32),
      bytesOf(CKA.label, Buffer.from(label)),
      ...[CKA.token, CKA.private, CKA.sensitive, CKA.encrypt, CKA.decrypt].map((type) => bytesOf(type, on)),
      bytesOf(CKA.extractable, Buffer.from([0])),
    ];
    const key: [number | bigint] = [0];
    const generation = { mechanism: CKM_AES_KEY_GEN, pParameter: null, ulParameterLen: 0 };
    this.#call('C_GenerateKey', this.#handle, generation, template, template.length, key);
    return key[0];
  }

  encrypt(key: number | bigint, using: Mechanism, data: Buffer): Buffer {
    this.#call('C_EncryptInit', this.#handle, using, key);
    return this.#output('C_Encrypt', data);
  }

  decrypt(key: number | bigint, using: Mechanism, data: Buffer): Buffer {
    this.#call('C_DecryptInit', this.#handle, using, key);
    return this.#output('C_Decrypt', data);
  }

  #output(name: 'C_Encrypt' | 'C_Decrypt', data: Buffer): Buffer {
    const output = Buffer.alloc(OUTPUT_BYTES_MAX);
    const length: [number] = [output.length];
    this.#call(name, this.#handle, data, data.length, output, length);
    return output.subarray(0, Number(length[0]));
  }
}

function ulongOf(type: number, value: number) {
  const bytes = Buffer.alloc(ULONG_BYTES);
  bytes.writeUInt32LE(value);
  return bytesOf(type, bytes);
}

function bytesOf(type: number, value: Buffer) {
  return { type, pValue: value, ulValueLen: value.length };
}

function readUlong(bytes: Buffer, at: number): bigint {
  return ULONG_BYTES === 8 ? bytes.readBigUInt64LE(at * 8) : BigInt(bytes.readUInt32LE(at * ULONG_BYTES));
}
