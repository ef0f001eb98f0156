/*
 * As much of a tar archive (POSIX ustar) as a snapshot needs: regular files with short names, one after another. What a
 * reader meets that a writer would not have written is refused.
 */
export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** ASCII, at most 99 characters. */
  readonly name: string;
  readonly size: number;
}

const SIZE_DIGITS = 11;
export const FILE_BYTES_MAX = 8 ** SIZE_DIGITS - 1;

export function tarHeader({ name, size }: TarHeader, modifiedMs: number): Buffer {
  if (!/^[!-~]{1,99}$/.test(name)) throw new RangeError(`${JSON.stringify(name)} is no name for a file here`);
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block.write(name, 0, 'latin1');
  octal(0o600, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, SIZE_DIGITS);
  octal(Math.floor(modifiedMs / 1000), 136, SIZE_DIGITS);
  block.write('0', 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** How many zero bytes follow a file of this size. */
export function tarPadding(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
}

export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/** What a block says about the file after it; `'end'` for one of the last two; undefined when it is no header of ours. */
export function readTarHeader(block: Buffer): TarHeader | 'end' | undefined {
  if (block.every((byte) => byte === 0)) return 'end';
  const name = /^[!-~]{1,99}(?=\0)/.exec(block.toString('latin1', 0, 100))?.[0];
  const size = /^[0-7]{11}(?=\0)/.exec(block.toString('latin1', 124, 136))?.[0];
  const sum = /^[0-7]{6}(?=\0 $)/.exec(block.toString('latin1', 148, 156))?.[0];
  if (name === undefined || size === undefined || sum === undefined) return undefined;
  if (Number.parseInt(sum, 8) !== checksum(block)) return undefined;
  if (block.toString('latin1', 156, 265) !== `0${'\0'.repeat(100)}ustar\u000000`) return undefined;
  return { name, size: Number.parseInt(size, 8) };
}

/** The sum of all bytes, with blanks in its own place. */
function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += block[at]!;
  return sum;
}
