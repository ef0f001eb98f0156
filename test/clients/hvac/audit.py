"""Audit devices: enable, list, hash, find in the log, disable; nothing secret in the log."""
import os, time


def entries(path, count):
    """The entries about a path; a reply waits for one device, which need not be this one."""
    for attempt in range(200):
        with open(input['file']) as log:
            whole = [json.loads(line) for line in log if line.endswith('\n')]
        about = [entry for entry in whole if entry['request'].get('path') == path]
        if len(about) >= count:
            equal(len(about), count)
            return about
        time.sleep(0.02)
    raise AssertionError(f'{len(about)} of {count} entries about {path}')


empty(client.sys.enable_audit_device('file', description='for a test', path='tmp', options={'file_path': input['file']}))
device = client.sys.list_enabled_audit_devices()['data']['tmp/']
holds(device, type='file', description='for a test', path='tmp/', local=False)
equal(device['options']['file_path'], input['file'])
raises(exceptions.InvalidRequest, client.sys.enable_audit_device, 'file', path='tmp', options={'file_path': input['file']})
raises(exceptions.InvalidRequest, client.sys.enable_audit_device, 'no-such-type')
raises(exceptions.InvalidRequest, client.sys.enable_audit_device, 'file', path='other', options={})

client.sys.enable_secrets_engine('kv', path='audited')
client.secrets.kv.v1.create_or_update_secret('x', {'password': 'a canary in the mine'}, method='POST', mount_point='audited')
client.secrets.kv.v1.read_secret('x', mount_point='audited')
hashed = client.sys.calculate_hash('tmp', 'a canary in the mine')['data']['hash']
assert hashed.startswith('hmac-sha256:'), hashed
written = entries('audited/x', 4)
text = open(input['file']).read()
assert 'a canary in the mine' not in text
assert client.token not in text
equal([(line['type'], line['request']['operation']) for line in written], [('request', 'create'), ('response', 'create'), ('request', 'read'), ('response', 'read')])
equal(written[0]['request']['data']['password'], hashed)
equal(written[3]['response']['data']['password'], hashed)
equal(written[0]['request']['id'], written[1]['request']['id'])
equal(written[0]['auth']['policies'], ['root'])
equal(client.sys.calculate_hash('tmp', client.token)['data']['hash'], written[0]['auth']['client_token'])

limited = as_token(client.auth.token.create(policies=['default'])['auth']['client_token'])
raises(exceptions.Forbidden, limited.read, 'audited/x')
refused = entries('audited/x', 6)[-1]
holds(refused, type='response')
assert 'permission denied' in refused['error'], refused
raises(exceptions.Forbidden, limited.sys.list_enabled_audit_devices)

# In clear where the mount is tuned so; headers
client.sys.tune_mount_configuration('audited', audit_non_hmac_response_keys=['user'])
client.secrets.kv.v1.create_or_update_secret('y', {'user': 'ada'}, method='POST', mount_point='audited')
client.secrets.kv.v1.read_secret('y', mount_point='audited')
equal(entries('audited/y', 4)[-1]['response']['data']['user'], 'ada')
empty(client.write_data('sys/config/auditing/request-headers/X-Asked-By', data={'hmac': False}))
equal(client.read('sys/config/auditing/request-headers/x-asked-by')['data'], {'x-asked-by': {'hmac': False}})
equal(client.read('sys/config/auditing/request-headers')['data']['headers'], {'x-asked-by': {'hmac': False}})
client.adapter.get('/v1/audited/y', headers={'X-Asked-By': 'ada'})
equal(entries('audited/y', 6)[-1]['request']['headers']['x-asked-by'], ['ada'])
client.delete('sys/config/auditing/request-headers/X-Asked-By')

empty(client.sys.disable_audit_device('tmp'))
size = os.path.getsize(input['file'])
client.secrets.kv.v1.read_secret('y', mount_point='audited')
equal(os.path.getsize(input['file']), size)
assert 'tmp/' not in client.sys.list_enabled_audit_devices()['data']
raises(exceptions.InvalidRequest, client.sys.calculate_hash, 'tmp', 'x')
client.sys.disable_secrets_engine('audited')
