"""ACL policies in both forms of the API, password policies, capabilities, and what a policy lets a token do."""
import json
reader = '''
path "policies/data/team/*" { capabilities = ["read", "list"] }
path "policies/metadata/+/team" { capabilities = ["list"] }
path "policies/data/team/secret" { capabilities = ["deny"] }
path "auth/token/create" {
  capabilities = ["update"]
  allowed_parameters = { policies = [["default"]], ttl = [] }
}
'''
empty(client.sys.create_or_update_policy('reader', reader))
equal(client.sys.read_policy('reader')['data']['rules'], reader)
equal(client.get_policy('reader'), reader)
equal(client.get_policy('nothing'), None)
listed = client.sys.list_policies()['data']
assert {'default', 'reader', 'root'} <= set(listed['policies']), listed
equal(listed['keys'], listed['policies'])
as_json = {'path': {'policies/*': {'capabilities': ['create', 'update', 'read', 'list', 'patch', 'delete']}}}
empty(client.sys.create_or_update_acl_policy('writer', as_json))
equal(json.loads(client.sys.read_acl_policy('writer')['data']['policy']), as_json)
equal(client.sys.read_acl_policy('writer')['data']['name'], 'writer')
assert 'writer' in client.sys.list_acl_policies()['data']['keys']
raises(exceptions.InvalidRequest, client.sys.create_or_update_policy, 'broken', 'path "x" { capabilities = ["fly"] }')
raises(exceptions.InvalidRequest, client.sys.create_or_update_policy, 'broken', 'path "x" {')
raises(exceptions.InvalidPath, client.sys.read_acl_policy, 'broken')
raises(exceptions.InvalidRequest, client.sys.create_or_update_policy, 'root', reader, text='cannot update "root" policy')
raises(exceptions.InvalidRequest, client.sys.delete_policy, 'default', text='cannot delete "default" policy')

client.sys.enable_secrets_engine('kv', path='policies', options={'version': '2'})
client.secrets.kv.v2.create_or_update_secret('team/app', {'a': 1}, mount_point='policies')
client.secrets.kv.v2.create_or_update_secret('team/secret', {'a': 1}, mount_point='policies')
made = client.auth.token.create(policies=['reader'])['auth']
limited = as_token(made['client_token'])
equal(limited.secrets.kv.v2.read_secret('team/app', mount_point='policies', raise_on_deleted_version=True)['data']['data'], {'a': 1})
raises(exceptions.Forbidden, limited.secrets.kv.v2.read_secret, 'team/secret', mount_point='policies', raise_on_deleted_version=True, text='permission denied')
raises(exceptions.Forbidden, limited.secrets.kv.v2.create_or_update_secret, 'team/app', {}, mount_point='policies')
raises(exceptions.Forbidden, limited.sys.list_policies)
raises(exceptions.Forbidden, limited.secrets.kv.v2.read_secret, 'nowhere/at/all', mount_point='no-such-mount', raise_on_deleted_version=True)

both = client.sys.get_capabilities(['policies/data/team/app', 'policies/data/team/secret'], token=made['client_token'])['data']
equal(both['policies/data/team/app'], ['list', 'read'])
equal(both['policies/data/team/secret'], ['deny'])
equal(client.sys.get_capabilities(['policies/data/team/app'], accessor=made['accessor'])['data']['capabilities'], ['list', 'read'])
equal(limited.sys.get_capabilities(['sys/mounts'])['data']['sys/mounts'], ['deny'])
equal(client.sys.get_capabilities(['sys/mounts'])['data']['capabilities'], ['root'])
raises(exceptions.InvalidRequest, client.sys.get_capabilities, ['x'], token='no-such-token')

raises(exceptions.Forbidden, limited.auth.token.create, policies=['reader'])

empty(client.sys.delete_policy('reader'))
raises(exceptions.Forbidden, limited.secrets.kv.v2.read_secret, 'team/app', mount_point='policies', raise_on_deleted_version=True)
empty(client.sys.delete_acl_policy('writer'))
raises(exceptions.InvalidPath, client.sys.read_policy, 'writer')

password = 'length = 24\nrule "charset" {\n  charset = "abc"\n  min-chars = 3\n}\nrule "charset" { charset = "0123456789" }\n'
empty(client.write_data('sys/policies/password/short', data={'policy': password}))
equal(client.read('sys/policies/password/short')['data']['policy'], password)
equal(client.list('sys/policies/password')['data']['keys'], ['short'])
generated = client.read('sys/policies/password/short/generate')['data']['password']
equal(len(generated), 24)
assert set(generated) <= set('abc0123456789'), generated
assert sum(generated.count(letter) for letter in 'abc') >= 3, generated
raises(exceptions.InvalidRequest, client.write_data, 'sys/policies/password/bad', data={'policy': 'length = 2'})
client.delete('sys/policies/password/short')
equal(client.read('sys/policies/password/short'), None)
client.sys.disable_secrets_engine('policies')
