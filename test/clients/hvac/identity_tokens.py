"""Identity tokens: keys, roles, signed tokens and what verifies them."""
identity = client.secrets.identity
empty(client.sys.enable_auth_method('userpass', path='staff'))
empty(client.auth.userpass.create_or_update_user('kim', password='kims-password', policies='signing', mount_point='staff'))
empty(client.sys.create_or_update_policy('signing', 'path "identity/oidc/token/*" { capabilities = ["read"] }'))
kim = nobody()
entity_id = kim.auth.userpass.login('kim', 'kims-password', mount_point='staff')['auth']['entity_id']

identity.configure_tokens_backend(issuer='https://vault.example.com:8200')
equal(identity.read_tokens_backend_configuration()['data']['issuer'], 'https://vault.example.com:8200')
identity.configure_tokens_backend(issuer='')

empty(identity.create_named_key('hvac-key', rotation_period='12h', verification_ttl='24h', allowed_client_ids=['*'], algorithm='EdDSA'))
holds(identity.read_named_key('hvac-key')['data'], algorithm='EdDSA', rotation_period=43200, verification_ttl=86400, allowed_client_ids=['*'])
equal(identity.list_named_keys()['data']['keys'], ['default', 'hvac-key'])
empty(identity.create_or_update_role('hvac-role', key='hvac-key', template='{"who": {{identity.entity.name}}}', client_id='hvac', ttl='1h'))
holds(identity.read_role('hvac-role')['data'], client_id='hvac', key='hvac-key', ttl=3600)
equal(identity.list_roles()['data']['keys'], ['hvac-role'])

signed = kim.secrets.identity.generate_signed_id_token('hvac-role')['data']
holds(signed, client_id='hvac', ttl=3600)
equal(identity.introspect_signed_id_token(signed['token'])['active'], True)
equal(identity.introspect_signed_id_token(signed['token'], client_id='hvac')['active'], True)
holds(identity.introspect_signed_id_token(signed['token'], client_id='somebody'), active=False)
raises(exceptions.InvalidRequest, identity.generate_signed_id_token, 'hvac-role', text='no entity associated')
empty(identity.rotate_named_key('hvac-key', verification_ttl='1h'))
equal(identity.introspect_signed_id_token(signed['token'])['active'], True)
assert identity.read_well_known_configurations()['issuer'].endswith('/v1/identity/oidc')
keys = identity.read_active_public_keys()['keys']
equal({key['alg'] for key in keys}, {'EdDSA'})
raises(exceptions.InvalidRequest, identity.delete_named_key, 'hvac-key', text='currently referenced')
empty(identity.delete_role('hvac-role'))
empty(identity.delete_named_key('hvac-key'))
raises(exceptions.InvalidPath, identity.read_role, 'hvac-role')
empty(client.sys.disable_auth_method('staff'))
