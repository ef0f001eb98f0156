"""Beside an automatic seal: new recovery shares, encrypted and kept by the server, and the root key by them."""
old = input['keys']
key = input['pgp_key']
holds(client.sys.read_rekey_progress(recovery_key=True), started=False, required=len(old))
started = client.sys.start_rekey(
    secret_shares=1, secret_threshold=1, pgp_keys=[key], backup=True, recovery_key=True)
holds(client.sys.read_rekey_progress(recovery_key=True), started=True, backup=True, nonce=started['nonce'])
holds(client.sys.read_rekey_progress(), started=False)
client.sys.rekey(key=old[0], nonce=started['nonce'], recovery_key=True)
made = client.sys.rekey_multi(keys=old[1:], nonce=started['nonce'], recovery_key=True)
holds(made, complete=True, backup=True)
kept = client.sys.read_backup_keys(recovery_key=True)
holds(kept['data'], nonce=started['nonce'], keys_base64={made['pgp_fingerprints'][0]: made['keys_base64']})

again = client.sys.start_rekey(secret_shares=1, secret_threshold=1, recovery_key=True)
raises(exceptions.InvalidRequest, client.sys.cancel_rekey, recovery_key=True, text='nonce is needed')
client.adapter.delete(url='/v1/sys/rekey-recovery-key/init', params={'nonce': again['nonce']})
holds(client.sys.read_rekey_progress(recovery_key=True), started=False)

empty(client.sys.rotate_encryption_key())
holds(client.sys.get_encryption_key_status()['data'], term=2)
empty(client.adapter.post(url='/v1/sys/rotate/root'))
result = made['keys_base64']
