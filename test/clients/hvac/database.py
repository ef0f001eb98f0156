"""The database engine: a connection, a role, and logins that are leased."""
database = client.secrets.database
empty(client.sys.enable_secrets_engine('database'))
raises(exceptions.InvalidPath, database.list_connections)
url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{input['host']}:{input['port']}/{input['database']}?sslmode=disable"
wrong = raises(exceptions.InvalidRequest, database.configure, 'shop', plugin_name='postgresql-database-plugin', connection_url=url, username=input['user'], password='wrong', allowed_roles=['reader'])
assert 'wrong' not in wrong.text.replace('wrong password', ''), wrong.text
raises(exceptions.InvalidRequest, database.configure, 'shop', plugin_name='no-such-plugin')
database.configure('shop', plugin_name='postgresql-database-plugin', connection_url=url, username=input['user'], password=input['password'], allowed_roles=['reader', 'other'])
connection = database.read_connection('shop')['data']
holds(connection, plugin_name='postgresql-database-plugin', allowed_roles=['reader', 'other'])
holds(connection['connection_details'], username=input['user'], connection_url=url)
assert 'password' not in connection['connection_details'], connection
equal(database.list_connections()['data']['keys'], ['shop'])
empty(database.reset_connection('shop'))

create = ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';", 'GRANT SELECT ON orders TO "{{name}}";']
empty(database.create_role('reader', 'shop', create, default_ttl='10m', max_ttl='1h'))
role = database.read_role('reader')['data']
holds(role, db_name='shop', creation_statements=create, default_ttl=600, max_ttl=3600, revocation_statements=[], renew_statements=[])
equal(database.list_roles()['data']['keys'], ['reader'])
empty(database.create_role('stranger', 'shop', create))
raises(exceptions.InvalidRequest, database.generate_credentials, 'stranger', text='is not an allowed role')
raises(exceptions.InvalidRequest, database.generate_credentials, 'nothing', text='unknown role')
database.create_role('other', 'shop', ['THIS IS NOT SQL'])

made = [database.generate_credentials('reader') for _ in range(3)]
for each in made:
    holds(each, lease_duration=600, renewable=True)
    assert each['lease_id'].startswith('database/creds/reader/'), each
first = made[0]['lease_id']
between(1790, client.sys.renew_lease(first, increment=1800)['lease_duration'], 1800)
between(1790, client.sys.read_lease(first)['data']['ttl'], 1800)
beyond = client.sys.renew_lease(first, increment='9h')
between(3500, beyond['lease_duration'], 3600)
assert beyond['warnings'], beyond
equal(len(client.sys.list_leases('database/creds/reader')['data']['keys']), 3)
limited = as_token(client.auth.token.create(policies=['default'])['auth']['client_token'])
raises(exceptions.Forbidden, limited.secrets.database.generate_credentials, 'reader')
result = [{**each['data'], 'lease_id': each['lease_id']} for each in made]
