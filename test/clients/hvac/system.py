"""Keys, tools, configuration, facts about the server."""
import base64, hashlib
status = client.sys.get_encryption_key_status()
equal(status['data']['term'], client.key_status['term'])
assert status['data']['install_time'].endswith('Z') and status['data']['encryptions'] > 0, status
client.sys.enable_secrets_engine('kv', path='rotated')
client.secrets.kv.v1.create_or_update_secret('x', {'a': 1}, mount_point='rotated')
empty(client.sys.rotate_encryption_key())
equal(client.key_status['term'], status['data']['term'] + 1)
equal(client.secrets.kv.v1.read_secret('x', mount_point='rotated')['data'], {'a': 1})
client.sys.disable_secrets_engine('rotated')
holds(client.read('sys/rotate/config')['data'], enabled=True, max_operations=3865470566, interval='0s')
empty(client.write_data('sys/rotate/config', data={'max_operations': 2000000000, 'interval': '4320h'}))
holds(client.read('sys/rotate/keyring/config')['data'], enabled=True, max_operations=2000000000, interval='4320h0m0s')
raises(exceptions.InvalidRequest, client.write_data, 'sys/rotate/config', data={'interval': '1h'})

random = client.write_data('sys/tools/random/24', data={'format': 'hex'})['data']['random_bytes']
equal(len(random), 48)
equal(len(base64.b64decode(client.write_data('sys/tools/random')['data']['random_bytes'])), 32)
equal(len(base64.b64decode(client.write_data('sys/tools/random/platform/8')['data']['random_bytes'])), 8)
raises(exceptions.InvalidRequest, client.write_data, 'sys/tools/random', data={'bytes': 0})
given = base64.b64encode(b'hash me').decode()
equal(client.write_data('sys/tools/hash', data={'input': given})['data']['sum'], hashlib.sha256(b'hash me').hexdigest())
equal(client.write_data('sys/tools/hash/sha2-512', data={'input': given, 'format': 'base64'})['data']['sum'], base64.b64encode(hashlib.sha512(b'hash me').digest()).decode())
equal(client.write_data('sys/tools/hash/sha3-256', data={'input': given})['data']['sum'], hashlib.sha3_256(b'hash me').hexdigest())
raises(exceptions.InvalidRequest, client.write_data, 'sys/tools/hash/md5', data={'input': given})
raises(exceptions.InvalidRequest, client.write_data, 'sys/tools/hash', data={'input': '%%%'})

equal(client.read('sys/config/cors')['data'], {'enabled': False})
empty(client.write_data('sys/config/cors', data={'allowed_origins': 'https://ui.example', 'allowed_headers': 'X-Mine'}))
cors = client.read('sys/config/cors')['data']
holds(cors, enabled=True, allowed_origins=['https://ui.example'])
assert 'X-Mine' in cors['allowed_headers'] and 'X-Vault-Token' in cors['allowed_headers'], cors
client.delete('sys/config/cors')
empty(client.write_data('sys/config/ui/headers/X-Frame-Options', data={'values': ['DENY']}))
equal(client.read('sys/config/ui/headers/X-Frame-Options')['data'], {'value': 'DENY'})
assert client.list('sys/config/ui/headers')['data']['keys'], 'the header is listed'
client.delete('sys/config/ui/headers/X-Frame-Options')
sanitized = client.read('sys/config/state/sanitized')['data']
equal(sanitized['api_addr'], client.url)
equal(sanitized['storage']['type'], 'file')
equal(sanitized['listeners'][0]['type'], 'tcp')
empty(client.write_data('sys/config/reload/all'))
raises(exceptions.InvalidRequest, client.write_data, 'sys/config/reload/no-such')
empty(client.write_data('sys/loggers', data={'level': 'debug'}))
assert set(client.read('sys/loggers')['data'].values()) == {'debug'}
client.delete('sys/loggers')

history = client.adapter.list('/v1/sys/version-history')['data']
version = client.seal_status['version']
equal(history['keys'], [version])
holds(history['key_info'][version], previous_version=None)
assert client.read('sys/host-info')['data']['memory']['total'] > 0
nodes = client.read('sys/ha-status')['data']['nodes']
holds(nodes[0], active_node=True, api_address=client.url)
assert any(each['request_path'] == '/v1/sys/in-flight-req' for each in client.read('sys/in-flight-req').values())
assert 'kv' in client.read('sys/plugins/catalog')['data']['secret']
assert client.read('sys/internal/counters/tokens')['data']['counters']['service_tokens']['total'] >= 1
equal(client.read('sys/internal/ui/resultant-acl')['data']['root'], True)
metrics = client.adapter.get('/v1/sys/metrics')
assert any(gauge['Name'] == 'vault.core.unsealed' or gauge['Name'] == 'vault_core_unsealed' for gauge in metrics['Gauges']), metrics
prometheus = client.adapter.get('/v1/sys/metrics', params={'format': 'prometheus'}).text
assert 'vault_core_unsealed 1' in prometheus, prometheus

mount = client.sys.list_mounted_secrets_engines()['data']['cubbyhole/']
assert f'logical/{mount["uuid"]}/' in [each['storage_prefix'] for each in client.read('sys/internal/inspect/router/root')['data']['root']]
equal(client.read('sys/internal/inspect/request')['data']['req']['policies'], ['root'])
assert 'core/' in client.list('sys/raw')['data']['keys']
empty(client.write_data('sys/raw/core/by-hand', data={'value': '{"a":1}'}))
equal(client.read('sys/raw/core/by-hand')['data']['value'], '{"a":1}')
client.delete('sys/raw/core/by-hand')
equal(client.read('sys/raw/core/by-hand'), None)
raises(exceptions.InvalidRequest, client.read, 'sys/raw/core/keyring', text="cannot access 'core/keyring'")
raises(exceptions.InvalidRequest, client.write_data, 'sys/raw/core/by-hand', data={'value': 'not JSON'})

limited = as_token(client.auth.token.create(policies=['default'])['auth']['client_token'])
for path in ['sys/raw/core/mounts', 'sys/rotate/config', 'sys/internal/inspect/router/root', 'sys/host-info', 'sys/config/state/sanitized', 'sys/loggers']:
    raises(exceptions.Forbidden, limited.read, path)
