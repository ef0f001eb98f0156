"""After the process was cut off and started again: sealed, and with everything there once it is unsealed."""
holds(client.sys.read_seal_status(), initialized=True, sealed=True, progress=0)
raises(exceptions.VaultDown, client.auth.token.lookup_self, text='Vault is sealed')
holds(client.sys.submit_unseal_keys(input['keys'][:3]), sealed=False)
equal(client.auth.token.lookup_self()['data']['policies'], ['root'])
kv = client.secrets.kv.v2
equal(kv.read_secret('z', raise_on_deleted_version=True)['data']['data'], {'v': 1})
equal(kv.read_secret('x/y', mount_point='old', raise_on_deleted_version=True)['data']['data'], {'kept': 'yes'})
assert 'file/' in client.sys.list_enabled_audit_devices()['data']
holds(client.read('sys/rotate/config')['data'], max_operations=2000000000)
assert client.key_status['term'] >= 2
equal(len(client.adapter.list('/v1/sys/version-history')['data']['keys']), 1)
holds(kv.create_or_update_secret('after', {'v': 1})['data'], version=1)
