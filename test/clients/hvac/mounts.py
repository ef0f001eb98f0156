"""Secrets engines and auth methods: enable, list, read, tune, move, disable."""
mounted = client.sys.list_mounted_secrets_engines()
assert {'sys/', 'cubbyhole/'} <= set(mounted['data']), mounted
assert 'cubbyhole/' in mounted, 'the older form has the mounts at the top'
empty(client.sys.enable_secrets_engine('kv', path='m/one', description='first', config={'default_lease_ttl': '1h', 'max_lease_ttl': '2h'}, options={'version': '1'}))
one = client.sys.list_mounted_secrets_engines()['data']['m/one/']
holds(one, type='kv', description='first', options={'version': '1'}, local=False, seal_wrap=False)
holds(one['config'], default_lease_ttl=3600, max_lease_ttl=7200, force_no_cache=False)
assert one['accessor'].startswith('kv_') and one['uuid'], one
equal(client.read('sys/mounts/m/one')['data']['accessor'], one['accessor'])
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'kv', path='m/one', text='path is already in use at m/one/')
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'kv', path='m/one/below', text='path is already in use')
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'kv', path='m', text='path is already in use')
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'no-such-type', text='plugin not found in the catalog: no-such-type')
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'kv', path='sys/x')
empty(client.sys.enable_secrets_engine('kv-v2', path='m/two'))
equal(client.sys.retrieve_mount_option('m/two', 'version'), '2')

tuned = client.sys.read_mount_configuration('m/one')['data']
holds(tuned, default_lease_ttl=3600, max_lease_ttl=7200, description='first', force_no_cache=False)
empty(client.sys.tune_mount_configuration('m/one', default_lease_ttl='30m', description='second', listing_visibility='unauth', audit_non_hmac_request_keys=['a'], passthrough_request_headers=['X-One']))
holds(client.sys.read_mount_configuration('m/one')['data'], default_lease_ttl=1800, max_lease_ttl=7200, description='second', listing_visibility='unauth', audit_non_hmac_request_keys=['a'], passthrough_request_headers=['X-One'])
raises(exceptions.InvalidRequest, client.sys.tune_mount_configuration, 'm/one', default_lease_ttl='9h')
raises(exceptions.InvalidRequest, client.read, 'sys/mounts/no/such/mount', text='No secret engine mount at no/such/mount/')
raises(exceptions.InvalidRequest, client.read, 'sys/auth/no/such', text='No auth engine at no/such/')
raises(exceptions.InvalidRequest, client.sys.read_mount_configuration, 'no/such/mount')
anybody = nobody()
shown = anybody.read('sys/internal/ui/mounts')['data']['secret']
holds(shown['m/one/'], type='kv', description='second')
assert 'm/two/' not in shown, shown
equal(client.read('sys/internal/ui/mounts/m/two/data/x')['data']['path'], 'm/two/')

client.secrets.kv.v1.create_or_update_secret('kept', {'a': 1}, mount_point='m/one')
moved = client.sys.move_backend('m/one', 'n/moved')
assert moved['migration_id'], moved
status = client.read(f'sys/remount/status/{moved["migration_id"]}')['data']['migration_info']
holds(status, source_mount='m/one/', target_mount='n/moved/', status='success')
equal(client.secrets.kv.v1.read_secret('kept', mount_point='n/moved')['data'], {'a': 1})
raises(exceptions.InvalidPath, client.secrets.kv.v1.read_secret, 'kept', mount_point='m/one')
raises(exceptions.InvalidRequest, client.sys.move_backend, 'no/such', 'other')
raises(exceptions.InvalidRequest, client.sys.move_backend, 'n/moved', 'm/two')
raises(exceptions.InvalidRequest, client.sys.move_backend, 'cubbyhole', 'other')

empty(client.sys.disable_secrets_engine('n/moved'))
empty(client.sys.disable_secrets_engine('n/moved'))
raises(exceptions.InvalidPath, client.secrets.kv.v1.read_secret, 'kept', mount_point='n/moved')
client.sys.enable_secrets_engine('kv', path='n/moved')
raises(exceptions.InvalidPath, client.secrets.kv.v1.read_secret, 'kept', mount_point='n/moved')
client.sys.disable_secrets_engine('n/moved')
client.sys.disable_secrets_engine('m/two')

methods = client.sys.list_auth_methods()
assert 'token/' in methods['data'] and 'token/' in methods, methods
empty(client.sys.enable_auth_method('userpass', path='staff', description='people', config={'default_lease_ttl': '5m', 'token_type': 'batch'}))
staff = client.sys.list_auth_methods()['data']['staff/']
holds(staff, type='userpass', description='people')
holds(staff['config'], default_lease_ttl=300, token_type='batch')
assert staff['accessor'].startswith('auth_userpass_'), staff
holds(client.read('sys/auth/staff')['data'], type='userpass', accessor=staff['accessor'])
client.auth.userpass.create_or_update_user('ada', password='x', mount_point='staff')
holds(nobody().auth.userpass.login('ada', 'x', mount_point='staff')['auth'], token_type='batch', lease_duration=300)
empty(client.sys.tune_auth_method('staff', default_lease_ttl='7m', max_lease_ttl='70m', description='all people', listing_visibility='unauth', token_type='service'))
holds(client.sys.read_auth_method_tuning('staff')['data'], default_lease_ttl=420, max_lease_ttl=4200, description='all people', listing_visibility='unauth', token_type='service')
assert 'staff/' in anybody.read('sys/internal/ui/mounts')['data']['auth']
raises(exceptions.InvalidRequest, client.sys.enable_auth_method, 'userpass', path='staff', text='path is already in use at')
raises(exceptions.InvalidRequest, client.sys.read_auth_method_tuning, 'no-such')
raises(exceptions.InvalidRequest, client.sys.move_backend, 'auth/staff', 'staff')
client.sys.move_backend('auth/staff', 'auth/crew')
login = nobody()
login.auth.userpass.login('ada', 'x', mount_point='crew')
empty(client.sys.disable_auth_method('crew'))
equal(login.is_authenticated(), False)
raises(exceptions.InvalidRequest, client.sys.disable_auth_method, 'token', text='cannot unmount')
raises(exceptions.InvalidRequest, client.sys.enable_auth_method, 'token', path='other')
raises(exceptions.InvalidRequest, client.sys.enable_secrets_engine, 'cubbyhole', path='other', text='not mountable')
