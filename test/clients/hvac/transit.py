"""Transit: every method of the client."""
import base64
import hashlib

transit = client.secrets.transit
client.sys.enable_secrets_engine('transit')


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


SECRET = b64('a canary in the mine')
raises(exceptions.InvalidPath, transit.list_keys)

# Keys
for key_type in ['aes256-gcm96', 'chacha20-poly1305', 'ed25519', 'ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048']:
    made = transit.create_key(key_type, key_type=key_type, exportable=True, allow_plaintext_backup=True)
    equal(made['data']['type'], key_type)
equal(len(transit.list_keys()['data']['keys']), 7)
transit.create_key('derived', derived=True, convergent_encryption=True, auto_rotate_period='24h')
holds(transit.read_key('derived')['data'], derived=True, convergent_encryption=True, auto_rotate_period=86400)
raises(exceptions.InvalidPath, transit.read_key, 'none')
raises(exceptions.InvalidRequest, client.write_data, 'transit/keys/x', data={'type': 'managed_key'})

# Encryption, rotation, rewrapping
ciphertext = transit.encrypt_data('aes256-gcm96', plaintext=SECRET)['data']['ciphertext']
assert ciphertext.startswith('vault:v1:'), ciphertext
equal(transit.decrypt_data('aes256-gcm96', ciphertext=ciphertext)['data']['plaintext'], SECRET)
transit.rotate_key('aes256-gcm96')
holds(transit.read_key('aes256-gcm96')['data'], latest_version=2)
rewrapped = transit.rewrap_data('aes256-gcm96', ciphertext=ciphertext)['data']['ciphertext']
assert rewrapped.startswith('vault:v2:'), rewrapped
old = transit.encrypt_data('aes256-gcm96', plaintext=SECRET, key_version=1)['data']['ciphertext']
assert old.startswith('vault:v1:'), old
transit.update_key_configuration('aes256-gcm96', min_decryption_version=2)
raises(exceptions.InvalidRequest, transit.decrypt_data, 'aes256-gcm96', ciphertext=old, text='too old')
transit.update_key_configuration('aes256-gcm96', min_encryption_version=2)
transit.trim_key('aes256-gcm96', 2)
holds(transit.read_key('aes256-gcm96')['data'], min_available_version=2)
bound = transit.encrypt_data('chacha20-poly1305', plaintext=SECRET, associated_data=b64('row 7'))['data']['ciphertext']
equal(transit.decrypt_data('chacha20-poly1305', ciphertext=bound, associated_data=b64('row 7'))['data']['plaintext'], SECRET)
raises(exceptions.InvalidRequest, transit.decrypt_data, 'chacha20-poly1305', ciphertext=bound, associated_data=b64('row 8'),
       text='cipher: message authentication failed')
sealed = transit.encrypt_data('rsa-2048', plaintext=SECRET)['data']['ciphertext']
equal(transit.decrypt_data('rsa-2048', ciphertext=sealed)['data']['plaintext'], SECRET)
upserted = transit.encrypt_data('upserted', plaintext=SECRET)['data']
equal(transit.decrypt_data('upserted', ciphertext=upserted['ciphertext'])['data']['plaintext'], SECRET)

# Contexts and batches
context = b64('user 1')
once = transit.encrypt_data('derived', plaintext=SECRET, context=context)['data']['ciphertext']
equal(transit.encrypt_data('derived', plaintext=SECRET, context=context)['data']['ciphertext'], once)
raises(exceptions.InvalidRequest, transit.encrypt_data, 'derived', plaintext=SECRET, text="missing 'context'")
batch = [dict(plaintext=SECRET, context=context), dict(plaintext=b64('second'), context=b64('user 2'), reference='r2')]
results = transit.encrypt_data('derived', batch_input=batch)['data']['batch_results']
equal([results[0]['ciphertext'], results[1]['reference']], [once, 'r2'])
back = transit.decrypt_data('derived', batch_input=[
    dict(ciphertext=result['ciphertext'], context=item['context']) for result, item in zip(results, batch)])
equal([result['plaintext'] for result in back['data']['batch_results']], [SECRET, b64('second')])

# Data keys
for bits in [128, 256, 512]:
    datakey = transit.generate_data_key('upserted', key_type='plaintext', bits=bits)['data']
    equal(len(base64.b64decode(datakey['plaintext'])) * 8, bits)
    equal(transit.decrypt_data('upserted', ciphertext=datakey['ciphertext'])['data']['plaintext'], datakey['plaintext'])
assert 'plaintext' not in transit.generate_data_key('upserted', key_type='wrapped')['data']

# Random bytes, hashes, HMACs
equal(len(transit.generate_random_bytes(n_bytes=48, output_format='hex')['data']['random_bytes']), 96)
equal(transit.hash_data(SECRET)['data']['sum'], hashlib.sha256(b'a canary in the mine').hexdigest())
equal(transit.hash_data(SECRET, algorithm='sha2-512', output_format='base64')['data']['sum'],
      b64(hashlib.sha512(b'a canary in the mine').digest()))
hmac = transit.generate_hmac('ed25519', hash_input=SECRET, algorithm='sha2-512')['data']['hmac']
equal(transit.verify_signed_data('ed25519', hash_input=SECRET, hmac=hmac, hash_algorithm='sha2-512')['data']['valid'], True)
equal(transit.verify_signed_data('ed25519', hash_input=b64('other'), hmac=hmac, hash_algorithm='sha2-512')['data']['valid'], False)

# Signatures
for key, options in [
    ('ed25519', {}),
    ('ecdsa-p256', {}),
    ('ecdsa-p256', {'marshaling_algorithm': 'jws'}),
    ('ecdsa-p384', {'hash_algorithm': 'sha2-384'}),
    ('ecdsa-p521', {'hash_algorithm': 'sha2-512'}),
    ('rsa-2048', {}),
    ('rsa-2048', {'signature_algorithm': 'pkcs1v15', 'hash_algorithm': 'sha2-512'}),
    ('rsa-2048', {'salt_length': 'hash'}),
    ('rsa-2048', {'salt_length': '20'}),
]:
    signature = transit.sign_data(key, hash_input=SECRET, **options)['data']['signature']
    equal(transit.verify_signed_data(key, hash_input=SECRET, signature=signature, **options)['data']['valid'], True)
    equal(transit.verify_signed_data(key, hash_input=b64('other'), signature=signature, **options)['data']['valid'], False)
digest = b64(hashlib.sha256(b'a canary in the mine').digest())
for key in ['ecdsa-p256', 'rsa-2048']:
    signature = transit.sign_data(key, hash_input=digest, prehashed=True)['data']['signature']
    equal(transit.verify_signed_data(key, hash_input=SECRET, signature=signature)['data']['valid'], True)
signed = transit.sign_data('ed25519', batch_input=[dict(input=SECRET), dict(input=b64('second'))])['data']['batch_results']
equal(len({item['signature'] for item in signed}), 2)

# Export, backup, restore, deletion
equal(len(base64.b64decode(transit.export_key('chacha20-poly1305', key_type='encryption-key')['data']['keys']['1'])), 32)
assert 'BEGIN RSA PRIVATE KEY' in transit.export_key('rsa-2048', key_type='signing-key', version='latest')['data']['keys']['1']
raises(exceptions.InvalidRequest, transit.export_key, 'derived', key_type='encryption-key', text='not exportable')
backup = transit.backup_key('chacha20-poly1305')['data']['backup']
empty(transit.restore_key(backup, name='restored'))
raises(exceptions.InvalidRequest, transit.restore_key, backup, name='restored', text='already exists')
empty(transit.restore_key(backup, name='restored', force=True))
equal(transit.decrypt_data('restored', ciphertext=bound, associated_data=b64('row 7'))['data']['plaintext'], SECRET)
raises(exceptions.InvalidRequest, transit.delete_key, 'restored', text='deletion is not allowed')
transit.update_key_configuration('restored', deletion_allowed=True)
empty(transit.delete_key('restored'))
raises(exceptions.InvalidPath, transit.read_key, 'restored')
