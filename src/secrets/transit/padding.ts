import { text } from '../../engine/fields.ts';
import type { Padding } from './pair-encryption.ts';

export const paddingField = text({
  description: 'RSA keys: oaep or pkcs1v15.',
  choices: ['oaep', 'pkcs1v15'],
});

export function paddingOf(asked: string | undefined): Padding {
  return asked === 'pkcs1v15' ? 'pkcs1v15' : 'oaep';
}
