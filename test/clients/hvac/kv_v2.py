"""Key/value version 2: every method."""
import warnings
warnings.simplefilter('ignore', DeprecationWarning)
kv = client.secrets.kv.v2
empty(client.sys.enable_secrets_engine('kv', path='secret', options={'version': '2'}))

# Configuration
holds(kv.read_configuration()['data'], max_versions=0, cas_required=False, delete_version_after='0s')
empty(kv.configure(max_versions=3, cas_required=False, delete_version_after='2h30m'))
holds(kv.read_configuration()['data'], max_versions=3, cas_required=False, delete_version_after='2h30m0s')
empty(kv.configure(max_versions=0))

# Versions
raises(exceptions.InvalidPath, kv.read_secret, 'a/b')
raises(exceptions.InvalidPath, kv.read_secret_metadata, 'a/b')
raises(exceptions.InvalidPath, kv.list_secrets, '')
first = kv.create_or_update_secret('a/b', {'v': 1})['data']
holds(first, version=1, deletion_time='', destroyed=False, custom_metadata=None)
holds(kv.create_or_update_secret('a/b', {'v': 2}, cas=1)['data'], version=2)
raises(exceptions.InvalidRequest, kv.create_or_update_secret, 'a/b', {'v': 3}, cas=1, text='check-and-set parameter did not match the current version')
raises(exceptions.InvalidRequest, kv.create_or_update_secret, 'a/b', {'v': 3}, cas=0, text='check-and-set parameter did not match the current version')
read = kv.read_secret('a/b')
equal(read['data']['data'], {'v': 2})
holds(read['data']['metadata'], version=2, destroyed=False, deletion_time='', custom_metadata=None)
equal(kv.read_secret_version('a/b', version=1)['data']['data'], {'v': 1})
raises(exceptions.InvalidPath, kv.read_secret_version, 'a/b', version=9)
equal(client.read('secret/data/a/b')['data']['data'], {'v': 2})

# Patch, as hvac does it (read and write) and as the API has it
holds(kv.patch('a/b', {'w': 1})['data'], version=3)
equal(kv.read_secret('a/b')['data']['data'], {'v': 2, 'w': 1})
raises(exceptions.InvalidPath, kv.patch, 'nothing/here', {'w': 1}, text='patch only works on existing data')
merge = {'Content-Type': 'application/merge-patch+json'}
patched = client.adapter.request('patch', '/v1/secret/data/a/b', headers=dict(merge), json={'data': {'w': None, 'x': {'y': 1}}, 'options': {'cas': 3}})
holds(patched['data'], version=4)
equal(kv.read_secret('a/b')['data']['data'], {'v': 2, 'x': {'y': 1}})
raises(exceptions.InvalidPath, client.adapter.request, 'patch', '/v1/secret/data/nothing', headers=dict(merge), json={'data': {}})

# Deletion and back, destruction
empty(kv.delete_latest_version_of_secret('a/b'))
error = raises(exceptions.InvalidPath, kv.read_secret, 'a/b')
assert error.json['data']['metadata']['deletion_time'] != ''
deleted = kv.read_secret_version('a/b', raise_on_deleted_version=False)
equal(deleted['data']['data'], None)
holds(deleted['data']['metadata'], version=4, destroyed=False)
empty(kv.undelete_secret_versions('a/b', [4]))
equal(kv.read_secret('a/b')['data']['metadata']['version'], 4)
empty(kv.delete_secret_versions('a/b', [1, 2]))
raises(exceptions.InvalidPath, kv.read_secret_version, 'a/b', version=1)
empty(kv.undelete_secret_versions('a/b', [1]))
equal(kv.read_secret_version('a/b', version=1)['data']['data'], {'v': 1})
empty(kv.destroy_secret_versions('a/b', [1, 4]))
raises(exceptions.InvalidPath, kv.read_secret_version, 'a/b', version=1)
empty(kv.undelete_secret_versions('a/b', [1]))
error = raises(exceptions.InvalidPath, kv.read_secret_version, 'a/b', version=4)
equal(error.json['data']['metadata']['destroyed'], True)

# Metadata
metadata = kv.read_secret_metadata('a/b')['data']
holds(metadata, current_version=4, oldest_version=0, max_versions=0, cas_required=False, delete_version_after='0s', custom_metadata=None)
equal(sorted(metadata['versions']), ['1', '2', '3', '4'])
holds(metadata['versions']['1'], destroyed=True)
holds(metadata['versions']['3'], destroyed=False, deletion_time='')
assert metadata['versions']['2']['deletion_time'] != ''
empty(kv.update_metadata('a/b', max_versions=2, cas_required=True, delete_version_after='3h', custom_metadata={'owner': 'ada', 'team': 'ops'}))
holds(kv.read_secret_metadata('a/b')['data'], max_versions=2, cas_required=True, delete_version_after='3h0m0s', custom_metadata={'owner': 'ada', 'team': 'ops'})
raises(exceptions.InvalidRequest, kv.create_or_update_secret, 'a/b', {'v': 5}, text='check-and-set parameter required for this call')
holds(kv.create_or_update_secret('a/b', {'v': 5}, cas=4)['data'], version=5, custom_metadata={'owner': 'ada', 'team': 'ops'})
equal(sorted(kv.read_secret_metadata('a/b')['data']['versions']), ['4', '5'])
assert kv.read_secret('a/b')['data']['metadata']['deletion_time'] != '', 'delete_version_after sets a time'
raises(exceptions.InvalidRequest, kv.update_metadata, 'a/b', custom_metadata={'deep': {'er': 1}})
empty(client.adapter.request('patch', '/v1/secret/metadata/a/b', headers=dict(merge), json={'custom_metadata': {'team': None, 'more': 'yes'}}))
equal(kv.read_secret_metadata('a/b')['data']['custom_metadata'], {'owner': 'ada', 'more': 'yes'})
empty(kv.update_metadata('early', custom_metadata={'made': 'before its data'}))
equal(kv.read_secret_metadata('early')['data']['current_version'], 0)

# Lists
kv.create_or_update_secret('a/c/d', {'v': 1})
kv.create_or_update_secret('z', {'v': 1})
equal(kv.list_secrets('')['data']['keys'], ['a/', 'early', 'z'])
equal(kv.list_secrets('a')['data']['keys'], ['b', 'c/'])
equal(client.list('secret/metadata/a')['data']['keys'], ['b', 'c/'])
raises(exceptions.InvalidPath, kv.list_secrets, 'z')

# The whole secret
empty(kv.delete_metadata_and_all_versions('a/b'))
raises(exceptions.InvalidPath, kv.read_secret_metadata, 'a/b')
holds(kv.create_or_update_secret('a/b', {'again': True}, cas=0)['data'], version=1)

# What people get wrong
equal(kv.read_secret('z', mount_point='secret/')['data']['data'], {'v': 1})
wrong = raises(exceptions.InvalidPath, client.secrets.kv.v1.read_secret, 'z')
assert 'data' in wrong.text, wrong.text
raises(exceptions.InvalidRequest, client.write_data, 'secret/data/z', data={'v': 1}, text='no data provided')
raises(exceptions.InvalidRequest, client.write_data, 'secret/data/z', data={'data': 'text'})

# Version 1 upgraded
client.sys.enable_secrets_engine('kv', path='old', options={'version': '1'})
client.secrets.kv.v1.create_or_update_secret('x/y', {'kept': 'yes'}, mount_point='old')
empty(client.sys.tune_mount_configuration('old', options={'version': '2'}))
import time
for attempt in range(50):
    try:
        upgraded = kv.read_secret('x/y', mount_point='old')
        break
    except exceptions.InvalidRequest as error:
        assert 'pgrad' in str(error), error
        time.sleep(0.1)
equal(upgraded['data']['data'], {'kept': 'yes'})
equal(client.sys.retrieve_mount_option('old', 'version'), '2')
