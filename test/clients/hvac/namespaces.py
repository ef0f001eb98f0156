"""Namespaces, by the client's own calls and by its namespace argument."""
root = client.sys
root.create_namespace(path='team')
root.create_namespace(path='second')
listed = root.list_namespaces()['data']
equal(listed['keys'], ['second/', 'team/'])
holds(listed['key_info']['team/'], path='team/', custom_metadata={})


def within(namespace, token=client.token):
    return hvac.Client(url=client.url, token=token, namespace=namespace)


team = within('team')
team.sys.create_namespace(path='inner')
inner = within('team/inner')
equal(team.sys.list_namespaces()['data']['keys'], ['inner/'])
raises(exceptions.InvalidRequest, root.create_namespace, path='cubbyhole', text='reserved')

# Each has its own mounts, policies, methods and tokens
for one, where in ((team, 'team'), (inner, 'inner'), (within('second'), 'second')):
    one.sys.enable_secrets_engine('kv', path='secret', options={'version': '2'})
    one.secrets.kv.v2.create_or_update_secret('app', {'where': where})
    one.sys.create_or_update_policy('app', 'path "secret/data/*" { capabilities = ["read"] }')
    one.sys.enable_auth_method('userpass')
    one.auth.userpass.create_or_update_user('ada', password='correct horse', policies='app')
raises(exceptions.InvalidPath, client.secrets.kv.v2.read_secret_version, 'app', mount_point='secret', raise_on_deleted_version=True)
assert 'app' not in root.list_policies()['data']['policies']
equal(inner.secrets.kv.v2.read_secret_version('app', raise_on_deleted_version=True)['data']['data'], {'where': 'inner'})
by_path = client.secrets.kv.v2.read_secret_version('app', mount_point='team/inner/secret', raise_on_deleted_version=True)
equal(by_path['data']['data'], {'where': 'inner'})

# A login is good in its namespace and nowhere else
ada = within('team', '')
auth = ada.auth.userpass.login('ada', 'correct horse')['auth']
assert auth['client_token'].startswith('hvs.') and auth['client_token'].endswith('.' + listed['key_info']['team/']['id']), auth
equal(ada.secrets.kv.v2.read_secret_version('app', raise_on_deleted_version=True)['data']['data'], {'where': 'team'})
holds(ada.auth.token.lookup_self()['data'], namespace_path='team/', path='auth/userpass/login/ada')
for elsewhere in (None, 'second', 'team/inner'):
    stray = hvac.Client(url=client.url, token=auth['client_token'], namespace=elsewhere)
    raises(exceptions.Forbidden, stray.secrets.kv.v2.read_secret_version, 'app', raise_on_deleted_version=True)
raises(exceptions.Forbidden, client.auth.token.lookup, auth['client_token'])
raises(exceptions.Forbidden, client.auth.token.lookup_accessor, auth['accessor'])

# A wrapped reply is unwrapped in its namespace
wrapped = team.adapter.post("/v1/sys/wrapping/wrap", json={"a": "b"}, headers={"X-Vault-Wrap-TTL": "60"})
token = wrapped["wrap_info"]["token"]
raises(exceptions.InvalidRequest, within('second').sys.unwrap, token)
equal(team.sys.unwrap(token)['data'], {'a': 'b'})

# What is the root's alone
raises(exceptions.InvalidRequest, team.sys.list_enabled_audit_devices, text='unavailable operation')
holds(team.sys.read_health_status(method='GET', sealed_code=299), sealed=False)
equal(team.sys.is_sealed(), False)

raises(exceptions.InvalidRequest, root.delete_namespace, path='team', text='child namespaces')
team.sys.delete_namespace(path='inner')
root.delete_namespace(path='team')
root.delete_namespace(path='second')
raises(exceptions.InvalidPath, root.list_namespaces)
raises(exceptions.Forbidden, ada.auth.token.lookup_self)
