import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { openAead, sealAead } from './aead.ts';
import { aesCmac } from './cmac.ts';
import { unwrapKey, wrapKey } from './key-wrap.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

test('AES-CMAC has the values of RFC 4493 and NIST SP 800-38B', () => {
  const message = hex(`6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`);
  const vectors: [key: string, macs: [number, string][]][] = [
    [
      '2b7e151628aed2a6abf7158809cf4f3c',
      [
        [0, 'bb1d6929e95937287fa37d129b756746'],
        [16, '070a16b46b4d4144f79bdd9dd04a287c'],
        [40, 'dfa66747de9ae63030ca32611497c827'],
        [64, '51f0bebf7e3b9d92fc49741779363cfe'],
      ],
    ],
    [
      '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b',
      [
        [0, 'd17ddf46adaacde531cac483de7a9367'],
        [16, '9e99a7bf31e710900662f65e617c5184'],
        [40, '8a1de5be2eb31aad089a82e6ee908b0e'],
        [64, 'a1d5df0eed790f794d77589659f39a11'],
      ],
    ],
    [
      '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
      [
        [0, '028962f61b7bf89efc6b551f4667d983'],
        [16, '28a7023f452e8f82bd4bf28d8c37c35c'],
        [40, 'aaf3d8f1de5640c232f5b169b9c911e6'],
        [64, 'e1992190549f6ed5696a2c056c315410'],
      ],
    ],
  ];
  for (const [key, macs] of vectors)
    for (const [length, mac] of macs)
      assert.equal(
        aesCmac(createSecretKey(hex(key)), message.subarray(0, length)).toString('hex'),
        mac,
        `${key.length * 4} bits, ${length} bytes`,
      );
});

test('key wrap with padding has the values of RFC 5649', () => {
  const wrappingKey = hex('5840df6e29b02af1 ab493b705bf16ea1 ae8338f4dcc176a8');
  const vectors = [
    [
      'c37b7e6492584340 bed12207808941155068f738',
      '138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a',
    ],
    ['466f7250617369', 'afbeb0f07dfbf541 9200f2ccb50bb24f'],
  ] as const;
  for (const [key, wrapped] of vectors) {
    assert.deepEqual(wrapKey(wrappingKey, hex(key)), hex(wrapped));
    assert.deepEqual(unwrapKey(wrappingKey, hex(wrapped)), hex(key));
    const changed = hex(wrapped);
    changed[3]! ^= 1;
    assert.equal(unwrapKey(wrappingKey, changed), undefined);
  }
  for (const length of [0, 8, 15, 17, 24])
    assert.equal(unwrapKey(wrappingKey, Buffer.alloc(length)), undefined);
});

test('ChaCha20-Poly1305 has the value of RFC 8439, XChaCha20-Poly1305 that of its draft', () => {
  const plaintext = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const key = createSecretKey(hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'));
  const associatedData = hex('50515253c0c1c2c3c4c5c6c7');
  const vectors = [
    [
      'chacha20-poly1305',
      '070000004041424344454647',
      `d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6
       3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36
       92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc
       3ff4def08e4b7a9de576d26586cec64b 6116 1ae10b594f09e26a7e902ecbd0600691`,
    ],
    [
      'xchacha20-poly1305',
      '404142434445464748494a4b4c4d4e4f5051525354555657',
      `bd6d179d3e83d43b9576579493c0e939 572a1700252bfaccbed2902c21396cbb
       731c7f1b0b4aa6440bf3a82f4eda7e39 ae64c6708c54c216cb96b72e1213b452
       2f8c9ba40db5d945b11b69b982c1bb9e 3f3fac2bc369488f76b2383565d3fff9
       21f9664c97637da9768812f615c68b13 b52e c0875924c1c7987947deafd8780acf49`,
    ],
  ] as const;
  for (const [aead, nonce, expected] of vectors) {
    const sealed = sealAead({ aead, key, associatedData }, { nonce: hex(nonce), plaintext });
    assert.deepEqual(sealed, Buffer.concat([hex(nonce), hex(expected)]));
    assert.deepEqual(openAead({ aead, key, associatedData }, sealed), plaintext);
    assert.equal(openAead({ aead, key }, sealed), undefined);
    assert.equal(openAead({ aead, key, associatedData }, sealed.subarray(1)), undefined);
    assert.equal(openAead({ aead, key, associatedData }, sealed.subarray(0, 20)), undefined);
  }
});
