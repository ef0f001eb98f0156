"""Each failure reaches the caller as the client's own kind of error, with the server's words."""
raises(exceptions.Forbidden, nobody().sys.list_policies, text='permission denied')
raises(exceptions.Forbidden, as_token('no-such-token').sys.list_policies, text='permission denied')
raises(exceptions.InvalidPath, client.adapter.get, '/v1/no/such/mount', text='no handler for route "no/such/mount". route entry not found.')
raises(exceptions.InvalidPath, client.adapter.get, '/v1/sys/no-such-path', text='unsupported path')
error = raises(exceptions.InvalidPath, client.adapter.get, '/v1/auth/token/roles/nothing')
equal(error.errors, [])
raises(exceptions.UnexpectedError, client.adapter.delete, '/v1/sys/health', text='unsupported operation')
raises(exceptions.UnexpectedError, client.adapter.delete, '/v1/sys/wrapping/wrap', text='unsupported operation')
raises(exceptions.InvalidRequest, client.adapter.post, '/v1/sys/tools/random', json={'bytes': 'many'}, text='bytes')
raises(exceptions.InvalidRequest, client.adapter.post, '/v1/sys/tools/random', data='{"bytes":', text='JSON')
raises(exceptions.InvalidRequest, client.adapter.post, '/v1/sys/tools/random', data='[1]')
raises(exceptions.InvalidRequest, client.adapter.get, '/v1/sys/health', params={'activecode': 'many'})
ignored = client.write_data('sys/tools/random', data={'bytes': 4, 'colour': 'red'})
equal(ignored['warnings'], ['Endpoint ignored these unrecognized parameters: [colour]'])
bearer = nobody()
bearer.session.headers['Authorization'] = f'Bearer {client.token}'
equal(bearer.adapter.get('/v1/auth/token/lookup-self')['data']['policies'], ['root'])
help = client.adapter.get('/v1/sys/mounts', params={'help': 1})
assert 'help' in help and 'openapi' in help, help
raw = hvac.adapters.RawAdapter(base_uri=client.url, token=client.token)
response = raw.get('/v1/sys/policies/acl/default')
equal(response.headers['Content-Type'], 'application/json')
equal(response.headers['Cache-Control'], 'no-store')
assert response.json()['request_id'] and response.json()['mount_type'] == 'system', response.text
strict = hvac.Client(url=client.url, token=client.token, strict_http=True)
assert 'default' in strict.sys.list_acl_policies()['data']['keys']
