"""A snapshot taken, restored, and restored by force; and what goes wrong with one."""
client.sys.enable_secrets_engine('kv', path='saved')
client.secrets.kv.v1.create_or_update_secret('kept', {'n': 'before'}, mount_point='saved')
taken = client.sys.take_raft_snapshot()
equal(taken.status_code, 200)
snapshot = taken.content
client.secrets.kv.v1.create_or_update_secret('kept', {'n': 'after'}, mount_point='saved')
raises(exceptions.InvalidRequest, client.sys.restore_raft_snapshot, snapshot[:-10], text='cut short')
raises(exceptions.Forbidden, as_token('nobody').sys.restore_raft_snapshot, snapshot[:100])
equal(client.secrets.kv.v1.read_secret('kept', mount_point='saved')['data'], {'n': 'after'})
empty(client.sys.restore_raft_snapshot(snapshot))
equal(client.secrets.kv.v1.read_secret('kept', mount_point='saved')['data'], {'n': 'before'})
empty(client.sys.force_restore_raft_snapshot(snapshot))
equal(client.sys.is_sealed(), False)
equal(client.read('sys/storage/snapshot/confirm')['data']['expiry_paused'], True)
empty(client.write('sys/storage/snapshot/confirm'))
client.sys.disable_secrets_engine('saved')

client.sys.create_or_update_raft_auto_snapshot_config(
    'nightly', interval='24h', storage_type='local', retain=7,
    path_prefix=input['folder'], local_max_space=100_000_000)
equal(client.sys.list_raft_auto_snapshot_configs()['data']['keys'], ['nightly'])
holds(client.sys.read_raft_auto_snapshot_config('nightly')['data'], interval=86400, retain=7, storage_type='local')
holds(client.sys.read_raft_auto_snapshot_status('nightly')['data'], last_snapshot_error='')
empty(client.sys.delete_raft_auto_snapshot_config('nightly'))
raises(exceptions.InvalidPath, client.sys.read_raft_auto_snapshot_status, 'nightly')
