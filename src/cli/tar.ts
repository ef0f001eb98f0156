const BLOCK = 512;

/** A tar archive (POSIX ustar) of small files in one directory; names are at most 99 bytes. */
export function tarball(
  directory: string,
  files: ReadonlyMap<string, string | Buffer>,
  modifiedMs: number,
): Buffer {
  const parts: Buffer[] = [header({ name: `${directory}/`, size: 0, type: '5', mode: 0o700, modifiedMs })];
  for (const [file, text] of files) {
    const content = typeof text === 'string' ? Buffer.from(text) : text;
    parts.push(
      header({ name: `${directory}/${file}`, size: content.length, type: '0', mode: 0o600, modifiedMs }),
    );
    parts.push(content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly type: '0' | '5';
  readonly mode: number;
  readonly modifiedMs: number;
}

function header({ name, size, type, mode, modifiedMs }: Entry): Buffer {
  if (Buffer.byteLength(name) > 99)
    throw new RangeError(`a name of ${Buffer.byteLength(name)} bytes is too long for tar`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(modifiedMs / 1000), 136, 12);
  // The checksum is taken with blanks in its own place.
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
