import { engineConformance } from '../../engine/conformance.ts';
import { transit } from './engine.ts';

const plaintext = 'dGhlIHF1aWNrIGJyb3duIGZveA==';

engineConformance('transit', {
  type: transit,
  samples: [
    { path: 'keys/app', data: { exportable: true } },
    { path: 'keys/other', data: { type: 'chacha20-poly1305', derived: true, convergent_encryption: true } },
    { path: 'keys/signer', data: { type: 'ed25519' } },
    { path: 'encrypt/app', data: { plaintext } },
    { path: 'datakey/plaintext/app', data: { bits: 128 } },
  ],
});
