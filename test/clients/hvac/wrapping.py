"""Response wrapping: wrap, look up, unwrap once, rewrap; also of tokens and of refused requests."""
import time
wrapped = client.sys.wrap({'a': {'b': [1, 2]}}, ttl=120)
info = wrapped['wrap_info']
holds(info, ttl=120, creation_path='sys/wrapping/wrap')
assert info['token'].startswith('hvs.') and info['accessor'] and info['creation_time'], info
looked = client.write_data('sys/wrapping/lookup', data={'token': info['token']})['data']
holds(looked, creation_path='sys/wrapping/wrap', creation_ttl=120)
anybody = nobody()
equal(client.sys.unwrap(info['token'])['data'], {'a': {'b': [1, 2]}})
raises(exceptions.InvalidRequest, client.sys.unwrap, info['token'], text='wrapping token is not valid or does not exist')

# The wrapping token as the request's own
token = client.sys.wrap({'c': 'd'})['wrap_info']['token']
equal(as_token(token).sys.unwrap()['data'], {'c': 'd'})
raises(exceptions.Forbidden, as_token(token).sys.list_policies)
raises((exceptions.InvalidRequest), as_token(token).sys.unwrap, text='wrapping token is not valid or does not exist')

# Nothing else can be done with a wrapping token
token = client.sys.wrap({'e': 'f'})['wrap_info']['token']
raises(exceptions.Forbidden, as_token(token).auth.token.lookup_self)

# Rewrapping
token = client.sys.wrap({'e': 'f'})['wrap_info']['token']
again = client.write_data('sys/wrapping/rewrap', data={'token': token})['wrap_info']
holds(again, ttl=60, creation_path='sys/wrapping/wrap')
raises(exceptions.InvalidRequest, client.sys.unwrap, token)
equal(client.sys.unwrap(again['token'])['data'], {'e': 'f'})

# Tokens, reads and lists
made = client.auth.token.create(policies=['default'], wrap_ttl='1m')
equal(made['auth'], None)
holds(made['wrap_info'], creation_path='auth/token/create', ttl=60)
assert made['wrap_info']['wrapped_accessor'], made
inner = client.sys.unwrap(made['wrap_info']['token'])['auth']
equal(inner['accessor'], made['wrap_info']['wrapped_accessor'])
equal(as_token(inner['client_token']).is_authenticated(), True)
wrapping = client.auth.token.create(policies=['default'], wrap_ttl='1m')['wrap_info']['token']
newcomer = nobody()
newcomer.auth_cubbyhole(wrapping)
equal(newcomer.is_authenticated(), True)
read = client.read('sys/policies/acl/default', wrap_ttl='30s')
equal(read['data'], None)
equal(client.sys.unwrap(read['wrap_info']['token'])['data']['name'], 'default')

brief = client.sys.wrap({'g': 1}, ttl=1)['wrap_info']['token']
time.sleep(1.2)
raises(exceptions.InvalidRequest, client.sys.unwrap, brief)
raises(exceptions.InvalidRequest, client.write_data, 'sys/wrapping/wrap', data={'h': 1}, text='endpoint requires response wrapping to be used')
raises(exceptions.InvalidRequest, client.sys.unwrap, 'no token at all')
raises(exceptions.InvalidRequest, client.adapter.post, '/v1/sys/wrapping/wrap', json={}, headers={'X-Vault-Wrap-TTL': 'soon'})
