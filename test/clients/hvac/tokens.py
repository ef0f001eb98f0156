"""Tokens of every kind, and what can be done with them."""
import time
tokens = client.auth.token
client.sys.create_or_update_policy('tokens', 'path "auth/token/create" { capabilities = ["update"] }')

# Service tokens
made = tokens.create(policies=['tokens'], ttl='1h', explicit_max_ttl='2h', meta={'who': 'ada'}, display_name='for ada')
auth = made['auth']
assert auth['client_token'].startswith('hvs.') and len(auth['client_token']) > 24, auth
holds(auth, policies=['default', 'tokens'], token_policies=['default', 'tokens'], lease_duration=3600, renewable=True, token_type='service', orphan=False, metadata={'who': 'ada'}, num_uses=0, entity_id='')
data = tokens.lookup(auth['client_token'])['data']
holds(data, id=auth['client_token'], accessor=auth['accessor'], policies=['default', 'tokens'], display_name='token-for-ada', meta={'who': 'ada'}, num_uses=0, orphan=False, path='auth/token/create', explicit_max_ttl=7200, creation_ttl=3600, renewable=True, type='service')
between(3590, data['ttl'], 3600)
assert data['issue_time'].endswith('Z') and data['expire_time'].endswith('Z'), data
by_accessor = tokens.lookup_accessor(auth['accessor'])['data']
holds(by_accessor, id='', accessor=auth['accessor'], display_name='token-for-ada')
assert auth['accessor'] in tokens.list_accessors()['data']['keys']
own = as_token(auth['client_token'])
equal(own.is_authenticated(), True)
equal(own.auth.token.lookup_self()['data']['id'], auth['client_token'])
equal(own.lookup_token()['data']['accessor'], auth['accessor'])
root = tokens.lookup_self()['data']
holds(root, policies=['root'], ttl=0, expire_time=None, orphan=True, type='service', display_name='root', path='auth/token/root', creation_ttl=0, explicit_max_ttl=0)

# Renewal
holds(tokens.renew(auth['client_token'], increment='90m')['auth'], lease_duration=5400, client_token=auth['client_token'])
beyond = tokens.renew(auth['client_token'], increment='9h')
between(7190, beyond['auth']['lease_duration'], 7200)
assert beyond['warnings'], beyond
holds(own.auth.token.renew_self(increment=60)['auth'], lease_duration=60, client_token=auth['client_token'])
holds(tokens.renew_accessor(auth['accessor'], increment='2m')['auth'], lease_duration=120, client_token='')
holds(client.renew_token(auth['client_token'], increment=180)['auth'], lease_duration=180)
fixed = tokens.create(policies=['default'], ttl='1h', renewable=False)['auth']
equal(fixed['renewable'], False)
raises(exceptions.InvalidRequest, tokens.renew, fixed['client_token'], text='lease is not renewable')

# Children end with their parent; orphans do not
child = own.auth.token.create(policies=['default'], ttl='10m')['auth']
equal(child['orphan'], False)
raises(exceptions.InvalidRequest, own.auth.token.create, policies=['root'])
raises(exceptions.InvalidRequest, own.auth.token.create, policies=['stronger'], text='child policies must be subset of parent')
raises(exceptions.InvalidRequest, own.auth.token.create, no_parent=True)
raises(exceptions.Forbidden, own.auth.token.create_orphan, policies=['default'])
empty(tokens.revoke(auth['client_token']))
raises(exceptions.Forbidden, own.auth.token.lookup_self, text='permission denied')
equal(own.is_authenticated(), False)
equal(as_token(child['client_token']).is_authenticated(), False)
raises(exceptions.Forbidden, tokens.lookup, auth['client_token'], text='bad token')
raises(exceptions.Forbidden, tokens.lookup_accessor, auth['accessor'], text='invalid accessor')
parent = tokens.create(policies=['tokens'])['auth']
child = as_token(parent['client_token']).auth.token.create(policies=['default'])['auth']
empty(tokens.revoke_and_orphan_children(parent['client_token']))
equal(as_token(parent['client_token']).is_authenticated(), False)
equal(tokens.lookup(child['client_token'])['data']['orphan'], True)
empty(tokens.revoke_accessor(child['accessor']))
equal(as_token(child['client_token']).is_authenticated(), False)
orphan = tokens.create_orphan(policies=['default'], ttl='5m')['auth']
holds(orphan, orphan=True, lease_duration=300)
empty(as_token(orphan['client_token']).auth.token.revoke_self())
equal(as_token(orphan['client_token']).is_authenticated(), False)
equal(tokens.create(policies=['default'], no_parent=True)['auth']['orphan'], True)
holds(tokens.create(policies=['tokens'], no_default_policy=True)['auth'], policies=['tokens'])
named = tokens.create(id='a-name-of-its-own', policies=['default'])['auth']
equal(named['client_token'], 'a-name-of-its-own')
raises(exceptions.InvalidRequest, tokens.create, id='a-name-of-its-own', policies=['default'])
client.revoke_token('a-name-of-its-own')

# Batch, periodic and use-limited tokens
batch = tokens.create(policies=['default'], type='batch', ttl='20m')['auth']
assert batch['client_token'].startswith('hvb.'), batch
holds(batch, token_type='batch', renewable=False, accessor='', lease_duration=1200)
holds(tokens.lookup(batch['client_token'])['data'], type='batch', accessor='', renewable=False, policies=['default'])
raises(exceptions.InvalidRequest, tokens.renew, batch['client_token'])
raises(exceptions.InvalidRequest, tokens.revoke, batch['client_token'], text='batch tokens cannot be revoked')
periodic = tokens.create(policies=['default'], period='72h')['auth']
equal(periodic['lease_duration'], 259200)
equal(tokens.lookup(periodic['client_token'])['data']['period'], 259200)
equal(tokens.renew(periodic['client_token'], increment=1)['auth']['lease_duration'], 259200)
twice = as_token(tokens.create(policies=['default'], num_uses=2)['auth']['client_token'])
equal(twice.auth.token.lookup_self()['data']['num_uses'], 1)
twice.auth.token.lookup_self()
raises(exceptions.Forbidden, twice.auth.token.lookup_self)
brief = as_token(tokens.create(policies=['default'], ttl='1s')['auth']['client_token'])
equal(brief.is_authenticated(), True)
time.sleep(1.2)
equal(brief.is_authenticated(), False)

# Roles
raises(exceptions.InvalidPath, tokens.list_roles)
empty(tokens.create_or_update_role('ci', allowed_policies=['tokens', 'ci'], orphan=True, renewable=False, path_suffix='builds', token_period='1h'))
role = tokens.read_role('ci')['data']
holds(role, name='ci', allowed_policies=['ci', 'tokens'], orphan=True, renewable=False, path_suffix='builds', token_period=3600)
equal(tokens.list_roles()['data']['keys'], ['ci'])
from_role = tokens.create(role_name='ci', policies=['ci'])['auth']
holds(from_role, policies=['ci', 'default'], orphan=True, renewable=False, lease_duration=3600)
holds(tokens.lookup(from_role['client_token'])['data'], role='ci', path='auth/token/create/ci/builds', period=3600)
raises(exceptions.InvalidRequest, tokens.create, role_name='ci', policies=['other'], text="must be subset of the role's allowed policies")
raises(exceptions.InvalidRequest, tokens.create, role_name='no-such-role', text='unknown role')
empty(tokens.create_or_update_role('short', disallowed_policies=['admin'], token_explicit_max_ttl='10m'))
holds(tokens.lookup(tokens.create(role_name='short', policies=['ci'], ttl='1h')['auth']['client_token'])['data'], explicit_max_ttl=600, creation_ttl=600)
raises(exceptions.InvalidRequest, tokens.create, role_name='short', policies=['admin'])
empty(tokens.delete_role('ci'))
raises(exceptions.InvalidPath, tokens.read_role, 'ci')
tokens.delete_role('short')

# Root tokens that end, and tidying
ending = tokens.create(ttl='1h')['auth']
holds(ending, policies=['root'], lease_duration=3600)
tidied = tokens.tidy()
equal(tidied.status_code, 202)
equal(as_token('hvs.' + 'A' * 24).is_authenticated(), False)
raises(exceptions.Forbidden, as_token('hvs.' + 'A' * 24).sys.list_policies, text='invalid token')
raises(exceptions.InvalidRequest, tokens.revoke, '')
