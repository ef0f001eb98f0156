"""AppRole: every method, its limits, and logins."""
approle = client.auth.approle
empty(client.sys.enable_auth_method('approle'))
raises(exceptions.InvalidPath, approle.list_roles)
empty(approle.create_or_update_approle('web', token_policies=['web', 'ops'], token_ttl='20m', token_max_ttl='30m', secret_id_ttl='10m', secret_id_num_uses=3, bind_secret_id=True, token_type='service', token_num_uses=0))
role = approle.read_role('web')['data']
holds(role, bind_secret_id=True, local_secret_ids=False, secret_id_num_uses=3, secret_id_ttl=600, token_policies=['ops', 'web'], token_ttl=1200, token_max_ttl=1800, token_type='service', token_num_uses=0, token_period=0, token_bound_cidrs=[], secret_id_bound_cidrs=None, token_explicit_max_ttl=0, token_no_default_policy=False)
equal(approle.list_roles()['data']['keys'], ['web'])
role_id = approle.read_role_id('web')['data']['role_id']
equal(len(role_id), 36)
empty(approle.update_role_id('web', 'web-role-id'))
equal(approle.read_role_id('web')['data']['role_id'], 'web-role-id')

# Secret-ids
made = approle.generate_secret_id('web', metadata={'host': 'w1'}, cidr_list=['127.0.0.0/8'])['data']
holds(made, secret_id_ttl=600, secret_id_num_uses=3)
equal(approle.list_secret_id_accessors('web')['data']['keys'], [made['secret_id_accessor']])
seen = approle.read_secret_id('web', made['secret_id'])['data']
holds(seen, secret_id_accessor=made['secret_id_accessor'], metadata={'host': 'w1'}, secret_id_num_uses=3, secret_id_ttl=600, cidr_list=['127.0.0.0/8'], token_bound_cidrs=[])
holds(approle.read_secret_id_accessor('web', made['secret_id_accessor'])['data'], metadata={'host': 'w1'}, secret_id_num_uses=3)
custom = approle.create_custom_secret_id('web', 'my-own-secret', metadata={'host': 'w2'})['data']
equal(custom['secret_id'], 'my-own-secret')
equal(len(approle.list_secret_id_accessors('web')['data']['keys']), 2)

# Logins
login = nobody()
auth = login.auth.approle.login('web-role-id', made['secret_id'])['auth']
holds(auth, policies=['default', 'ops', 'web'], lease_duration=1200, renewable=True, token_type='service', metadata={'host': 'w1', 'role_name': 'web'}, orphan=True)
equal(login.token, auth['client_token'])
holds(login.auth.token.lookup_self()['data'], display_name='approle', path='auth/approle/login', policies=['default', 'ops', 'web'], meta={'host': 'w1', 'role_name': 'web'})
equal(approle.read_secret_id('web', made['secret_id'])['data']['secret_id_num_uses'], 2)
renewed = login.auth.token.renew_self(increment='25m')['auth']
between(1490, renewed['lease_duration'], 1500)
between(1780, login.auth.token.renew_self(increment='9h')['auth']['lease_duration'], 1800)
login.auth.approle.login('web-role-id', 'my-own-secret', use_token=False)
for secret in ['wrong', '', made['secret_id'] + 'x']:
    raises(exceptions.InvalidRequest, login.auth.approle.login, 'web-role-id', secret, use_token=False, text='invalid')
raises(exceptions.InvalidRequest, login.auth.approle.login, 'no-such-role', made['secret_id'], use_token=False, text='invalid role or secret ID')
login.auth.approle.login('web-role-id', made['secret_id'], use_token=False)
login.auth.approle.login('web-role-id', made['secret_id'], use_token=False)
raises(exceptions.InvalidRequest, login.auth.approle.login, 'web-role-id', made['secret_id'], use_token=False, text='invalid role or secret ID')

# Ends of secret-ids
other = approle.generate_secret_id('web')['data']
empty(approle.destroy_secret_id('web', other['secret_id']))
raises(exceptions.InvalidRequest, login.auth.approle.login, 'web-role-id', other['secret_id'], use_token=False)
other = approle.generate_secret_id('web')['data']
empty(approle.destroy_secret_id_accessor('web', other['secret_id_accessor']))
raises(exceptions.InvalidPath, approle.read_secret_id_accessor, 'web', other['secret_id_accessor'])
elsewhere = approle.generate_secret_id('web', cidr_list=['192.0.2.0/24'])['data']
raises(exceptions.InvalidRequest, login.auth.approle.login, 'web-role-id', elsewhere['secret_id'], use_token=False)

# Wrapped secret-ids
wrapped = approle.generate_secret_id('web', wrap_ttl='5m')
equal(wrapped['data'], None)
holds(wrapped['wrap_info'], ttl=300, creation_path='auth/approle/role/web/secret-id')
opened = client.sys.unwrap(wrapped['wrap_info']['token'])['data']
equal(opened['secret_id_accessor'], wrapped['wrap_info'].get('wrapped_accessor', opened['secret_id_accessor']))
login.auth.approle.login('web-role-id', opened['secret_id'])
equal(login.is_authenticated(), True)

# Without secret-ids, and with batch tokens
empty(approle.create_or_update_approle('open', bind_secret_id=False, token_bound_cidrs=['127.0.0.1/32'], token_policies=['default'], token_type='batch', token_ttl='5m'))
raises(exceptions.InvalidRequest, approle.create_or_update_approle, 'nothing', bind_secret_id=False)
open_id = approle.read_role_id('open')['data']['role_id']
holds(login.auth.approle.login(open_id)['auth'], token_type='batch', renewable=False, lease_duration=300)
assert login.token.startswith('hvb.'), login.token
# hvac sends a name that the API never had: it is ignored, and said so
assert 'enable_local_secret_ids' in approle.create_or_update_approle('local', enable_local_secret_ids=True)['warnings'][0]
client.delete('auth/approle/role/local')
empty(client.write_data('auth/approle/role/local', data={'local_secret_ids': True}))
equal(client.read('auth/approle/role/local/local-secret-ids')['data']['local_secret_ids'], True)

# Single properties, and tidying
client.write_data('auth/approle/role/web/token-ttl', data={'token_ttl': '15m'})
equal(client.read('auth/approle/role/web/token-ttl')['data']['token_ttl'], 900)
client.delete('auth/approle/role/web/token-ttl')
equal(approle.read_role('web')['data']['token_ttl'], 0)
equal(client.write_data('auth/approle/tidy/secret-id', data={}).status_code, 202)

token = login.auth.approle.login('web-role-id', approle.generate_secret_id('web')['data']['secret_id'])['auth']['client_token']
empty(approle.delete_role('web'))
raises(exceptions.InvalidPath, approle.read_role, 'web')
raises(exceptions.InvalidRequest, login.auth.token.renew_self)
empty(client.sys.disable_auth_method('approle'))
equal(as_token(token).is_authenticated(), False)
raises(exceptions.Forbidden, login.auth.approle.login, 'web-role-id', 'x', use_token=False)
