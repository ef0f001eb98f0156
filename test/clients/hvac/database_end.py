"""One login ends by its lease, the others with the mount."""
client.sys.revoke_lease(input['lease_id'])
raises(exceptions.InvalidRequest, client.sys.renew_lease, input['lease_id'], text='lease not found')
equal(len(client.sys.list_leases('database/creds/reader')['data']['keys']), 2)
