"""Holders of shares make new shares, verify them, and make a root token. Leaves the new shares and the new root token."""
import base64
old = input['keys']
required = input['threshold']
holds(client.sys.read_rekey_progress(), started=False, nonce='', progress=0, required=required)

started = client.sys.start_rekey(secret_shares=3, secret_threshold=2, require_verification=True)
holds(started, started=True, t=2, n=3, progress=0, required=required, verification_required=True, backup=False)
raises(exceptions.InvalidRequest, client.sys.start_rekey, secret_shares=1, secret_threshold=1, text='already in progress')
raises(exceptions.InvalidRequest, client.sys.cancel_rekey, text='nonce is needed')
raises(exceptions.InvalidRequest, client.sys.rekey, key=old[0], nonce='other', text='incorrect nonce')
raises(exceptions.InvalidRequest, client.sys.read_rekey_verify_progress)
holds(client.sys.rekey(key=old[0], nonce=started['nonce']), progress=1, started=True)
made = client.sys.rekey_multi(keys=old[1:required], nonce=started['nonce'])
holds(made, complete=True, nonce=started['nonce'], verification_required=True)
equal(len(made['keys']), 3)
equal([base64.b64encode(bytes.fromhex(key)).decode() for key in made['keys']], made['keys_base64'])

nonce = made['verification_nonce']
holds(client.sys.read_rekey_verify_progress(), nonce=nonce, t=2, n=3, progress=0)
holds(client.sys.rekey_verify(key=made['keys'][0], nonce=nonce), progress=1)
again = client.sys.cancel_rekey_verify()
holds(again, progress=0)
assert again['nonce'] != nonce, 'the verification has a new nonce'
holds(client.sys.rekey_verify_multi(keys=made['keys_base64'][:2], nonce=again['nonce']), complete=True)
holds(client.sys.read_rekey_progress(), started=False, required=2)
raises(exceptions.InvalidPath, client.sys.read_backup_keys)
raises(exceptions.InvalidRequest, client.sys.start_rekey, secret_shares=1, secret_threshold=1, recovery_key=True, text='not supported')

holds(client.sys.read_root_generation_progress(), started=False, required=2, complete=False, otp_length=28)
client.sys.start_root_token_generation()
client.sys.cancel_root_generation()
holds(client.sys.read_root_generation_progress(), started=False)
attempt = client.sys.start_root_token_generation()
raises(exceptions.InvalidRequest, client.sys.start_root_token_generation, text='already in progress')
equal(len(attempt['otp']), attempt['otp_length'])
holds(client.sys.generate_root(key=made['keys'][2], nonce=attempt['nonce']), progress=1, complete=False, encoded_token='')
done = client.sys.generate_root(key=made['keys'][1], nonce=attempt['nonce'])
holds(done, progress=2, complete=True)
hidden = base64.b64decode(done['encoded_token'] + '==')
token = bytes(a ^ b for a, b in zip(hidden, attempt['otp'].encode())).decode()
decoded = client.adapter.put(url='/v1/sys/decode-token', json={'encoded_token': done['encoded_token'], 'otp': attempt['otp']})
equal(decoded['data']['token'], token)
holds(hvac.Client(url=client.url, token=token).lookup_token()['data'], policies=['root'], ttl=0)
result = {'keys': made['keys'], 'root_token': token, 'otp': attempt['otp']}
