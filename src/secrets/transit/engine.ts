/**
 * Transit: encryption, signatures and codes by keys that never leave. Owns the keys of one mount and what is done with
 * them; it keeps nothing of what it encrypts. The primitives it uses are in crypto/ and in Node.
 */
import type { Engine, EngineType } from '../../engine/engine.ts';
import { hashPaths, randomPaths } from '../../engine/tool-paths.ts';
import { backupPaths } from './backup.ts';
import { certificatePaths } from './certificates.ts';
import { cmacPaths } from './cmac.ts';
import { datakeyPath } from './datakey.ts';
import { decryptPath } from './decrypt.ts';
import { deriveKeyPath } from './derive-key.ts';
import { encryptPath } from './encrypt.ts';
import { exportPaths } from './export.ts';
import { hmacPaths } from './hmac.ts';
import { importPaths } from './import-paths.ts';
import { Keys } from './key.ts';
import { keyPaths } from './key-paths.ts';
import { lifecyclePaths, rotateWork } from './lifecycle.ts';
import { mountConfigPaths } from './mount-config.ts';
import { rewrapPath } from './rewrap.ts';
import { signPaths } from './sign.ts';
import { sweepWork } from './sweep.ts';
import { verifyPaths } from './verify.ts';

export const transit: EngineType = {
  type: 'transit',
  class: 'secret',
  wakes: true,
  summary: 'Encrypts, signs and hashes what it is sent, by keys that it keeps.',
  open(): Engine {
    const keys = new Keys();
    return {
      paths: [
        ...keyPaths(keys),
        encryptPath(keys),
        decryptPath(keys),
        rewrapPath(keys),
        datakeyPath(keys),
        ...hmacPaths(keys),
        ...cmacPaths(keys),
        ...signPaths(keys),
        ...verifyPaths(keys),
        ...lifecyclePaths(keys),
        ...importPaths(keys),
        ...exportPaths(keys),
        ...backupPaths(keys),
        ...certificatePaths(keys),
        deriveKeyPath(keys),
        ...mountConfigPaths,
        ...randomPaths(''),
        ...hashPaths(''),
      ],
      periodic: [rotateWork, sweepWork],
      changed: () => keys.clear(),
      close: () => keys.clear(),
    };
  },
};
