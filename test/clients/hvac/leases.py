"""Leases of logins: lookup, list, renewal, revocation by id and by prefix."""
client.sys.enable_auth_method('userpass', path='leasing')
client.auth.userpass.create_or_update_user('ada', password='secret', policies=['default'], token_ttl='10m', token_max_ttl='20m', mount_point='leasing')
client.auth.userpass.create_or_update_user('bob', password='secret', policies=['default'], token_ttl='10m', mount_point='leasing')
users = [nobody() for _ in range(4)]
for user, name in zip(users, ['ada', 'ada', 'ada', 'bob']):
    user.auth.userpass.login(name, 'secret', mount_point='leasing')
equal(client.sys.list_leases('auth/leasing/login')['data']['keys'], ['ada/', 'bob/'])
keys = client.sys.list_leases('auth/leasing/login/ada')['data']['keys']
equal(len(keys), 3)
ids = [f'auth/leasing/login/ada/{key}' for key in keys]
lease = client.sys.read_lease(ids[0])['data']
holds(lease, id=ids[0], renewable=True)
between(590, lease['ttl'], 600)
assert lease['issue_time'] and lease['expire_time'] and lease['last_renewal'] is None, lease
client.sys.renew_lease(ids[0], increment=900)
between(890, client.sys.read_lease(ids[0])['data']['ttl'], 900)
count = client.adapter.get('/v1/sys/leases/count')['data']
assert count['lease_count'] >= 4, count
raises(exceptions.InvalidRequest, client.sys.renew_lease, 'auth/leasing/login/ada/no-such-lease', text='lease not found')
raises(exceptions.InvalidRequest, client.sys.read_lease, 'no/such/lease', text='invalid lease')
raises(exceptions.InvalidPath, client.sys.list_leases, 'no/such/prefix')
raises(exceptions.Forbidden, users[0].sys.list_leases, 'auth/leasing')

empty(client.sys.revoke_lease(ids[0]))
equal(sorted(user.is_authenticated() for user in users), [False, True, True, True])
empty(client.sys.revoke_prefix('auth/leasing/login/ada'))
equal([user.is_authenticated() for user in users], [False, False, False, True])
empty(client.sys.revoke_force('auth/leasing'))
equal(users[3].is_authenticated(), False)
raises(exceptions.InvalidPath, client.sys.list_leases, 'auth/leasing/login')
raises(exceptions.InvalidRequest, client.write_data, 'sys/leases/revoke', data={}, text='lease_id')
client.sys.disable_auth_method('leasing')
