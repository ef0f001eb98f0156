"""Each token's own place."""
equal(client.read('cubbyhole/mine'), None)
empty(client.write_data('cubbyhole/mine', data={'a': 1}))
empty(client.write_data('cubbyhole/deep/er', data={'b': 2}))
equal(client.read('cubbyhole/mine')['data'], {'a': 1})
equal(client.list('cubbyhole')['data']['keys'], ['deep/', 'mine'])
token = client.auth.token.create(policies=['default'])['auth']['client_token']
other = as_token(token)
equal(other.read('cubbyhole/mine'), None)
empty(other.write_data('cubbyhole/mine', data={'a': 'other'}))
equal(other.read('cubbyhole/mine')['data'], {'a': 'other'})
equal(client.read('cubbyhole/mine')['data'], {'a': 1})
other.logout(revoke_token=True)
equal(as_token(token).is_authenticated(), False)
client.delete('cubbyhole/mine')
equal(client.read('cubbyhole/mine'), None)
batch = client.auth.token.create(policies=['default'], type='batch')['auth']['client_token']
raises(exceptions.InvalidRequest, as_token(batch).write_data, 'cubbyhole/mine', data={'a': 1}, text='cubbyhole operations are only supported by "service" type tokens')
raises(exceptions.InvalidRequest, client.sys.disable_secrets_engine, 'cubbyhole', text='cannot unmount')
