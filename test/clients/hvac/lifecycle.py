"""From a server that was never used to one that is unsealed. Leaves the keys and the root token."""
equal(client.sys.is_initialized(), False)
equal(client.sys.read_health_status(method='GET').status_code, 501)
equal(client.sys.read_health_status(method='HEAD').status_code, 501)
holds(client.sys.read_health_status(method='GET', uninit_code=200), initialized=False, sealed=True, standby=True)
equal(client.sys.read_seal_status()['initialized'], False)
equal(client.is_authenticated(), False)
raises(exceptions.InvalidRequest, client.sys.submit_unseal_key, 'ab' * 33, text='not yet initialized')
raises(exceptions.InvalidRequest, client.sys.initialize, secret_shares=3, secret_threshold=5)
equal(client.sys.is_initialized(), False)

made = client.sys.initialize(secret_shares=5, secret_threshold=3)
equal(len(made['keys']), 5)
equal(len(made['keys_base64']), 5)
assert made['root_token'].startswith('hvs.'), made['root_token']
raises(exceptions.InvalidRequest, client.sys.initialize, secret_shares=1, secret_threshold=1, text='already initialized')

equal(client.sys.is_initialized(), True)
equal(client.sys.is_sealed(), True)
equal(client.sys.read_health_status(method='GET').status_code, 503)
holds(client.sys.read_health_status(method='GET', sealed_code=299).json(), initialized=True, sealed=True)
client.token = made['root_token']
raises(exceptions.VaultDown, client.sys.list_auth_methods, text='Vault is sealed')
raises(exceptions.VaultDown, client.secrets.kv.v1.read_secret, 'x', mount_point='kv', text='Vault is sealed')

holds(client.sys.submit_unseal_key(made['keys'][0]), sealed=True, progress=1, t=3, n=5)
nonce = client.sys.read_seal_status()['nonce']
assert nonce != ''
holds(client.sys.submit_unseal_key(made['keys'][0]), progress=1, nonce=nonce)
holds(client.sys.submit_unseal_key(reset=True), sealed=True, progress=0, nonce='')
raises(exceptions.InvalidRequest, client.sys.submit_unseal_key, 'no key at all')
holds(client.sys.submit_unseal_keys([made['keys'][4], made['keys_base64'][2]]), sealed=True, progress=2)
holds(client.sys.submit_unseal_key(made['keys'][0]), sealed=False, progress=0, type='shamir', storage_type='file')

equal(client.sys.is_sealed(), False)
status = client.seal_status
holds(status, initialized=True, recovery_seal=False, migration=False)
assert status['cluster_name'] and status['cluster_id'], status
health = client.sys.read_health_status(method='GET')
holds(health, initialized=True, sealed=False, standby=False, performance_standby=False, replication_dr_mode='disabled', version=status['version'])
equal(client.sys.read_health_status(method='HEAD').status_code, 200)
equal(client.sys.read_health_status(method='GET', active_code=210).status_code, 210)
holds(client.sys.read_leader_status(), ha_enabled=False, is_self=True)
holds(client.ha_status, performance_standby=False)
equal(client.is_authenticated(), True)
result = made
