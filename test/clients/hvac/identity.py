"""Identities: every method of hvac's identity client but those of OpenID Connect, and what they mean for tokens."""
identity = client.secrets.identity
empty(client.sys.enable_auth_method('userpass', path='people'))
empty(client.sys.enable_auth_method('userpass', path='staff'))
accessors = {path: client.sys.list_auth_methods()['data'][f'{path}/']['accessor'] for path in ('people', 'staff')}
for path in accessors:
    empty(client.auth.userpass.create_or_update_user('eve', password='of eve', policies=['own'], mount_point=path))
    empty(client.auth.userpass.create_or_update_user('mallory', password='of mallory', mount_point=path))
for name in ('own', 'entity', 'inner', 'outer'):
    empty(client.sys.create_or_update_policy(name, {'path': {f'sys/policies/acl/{name}': {'capabilities': ['read']}}}))


def login(name, path='people'):
    person = nobody()
    return person, person.auth.userpass.login(name, f'of {name}', mount_point=path)['auth']


def readable(person):
    found = []
    for name in ('own', 'entity', 'inner', 'outer'):
        try:
            person.sys.read_acl_policy(name)
            found.append(name)
        except exceptions.Forbidden:
            pass
    return found


# Entities
made = identity.create_or_update_entity(name='Eve', policies=['entity'], metadata={'team': 'red'})['data']
entity = made['id']
holds(made, name='Eve', aliases=None)
empty(identity.create_or_update_entity(name='eve', metadata={'team': 'blue'}))
empty(identity.create_or_update_entity_by_name('EVE', policies=['entity'], metadata={'team': 'green'}))
empty(identity.update_entity(entity, disabled=False))
read = identity.read_entity(entity)['data']
holds(read, id=entity, name='Eve', policies=['entity'], metadata={'team': 'green'}, disabled=False)
holds(read, aliases=[], group_ids=[], direct_group_ids=[], inherited_group_ids=[], merged_entity_ids=None)
equal(identity.read_entity_by_name('eve')['data'], read)
raises(exceptions.InvalidPath, identity.read_entity_by_name, 'nobody')
raises(exceptions.InvalidRequest, identity.create_or_update_entity, 'x', policies=['root'], text='root')
for method in ('LIST', 'GET'):
    assert 'Eve' in identity.list_entities_by_name(method=method)['data']['keys']
    assert entity in identity.list_entities(method=method)['data']['keys']
equal(identity.list_entities()['data']['key_info'][entity]['name'], 'Eve')

# Aliases: who logs in under one is the entity, and has its policies
alias = identity.create_or_update_entity_alias('EVE', canonical_id=entity, mount_accessor=accessors['people'])['data']
equal(alias['canonical_id'], entity)
eve, auth = login('eve')
holds(auth, entity_id=entity, identity_policies=['entity'], token_policies=['default', 'own'])
holds(auth, policies=['default', 'entity', 'own'])
equal(readable(eve), ['own', 'entity'])
holds(eve.auth.token.lookup_self()['data'], entity_id=entity, identity_policies=['entity'], policies=['default', 'own'])
equal(eve.secrets.identity.read_entity(entity)['data']['name'], 'Eve')
read = identity.read_entity_alias(alias['id'])['data']
holds(read, canonical_id=entity, name='eve', mount_accessor=accessors['people'], mount_path='auth/people/')
holds(read, mount_type='userpass', local=False, metadata={'username': 'eve'}, custom_metadata=None)
updated = identity.update_entity_alias(alias['id'], 'eve', canonical_id=entity, mount_accessor=accessors['people'])
equal(updated['data'], alias)
for method in ('LIST', 'GET'):
    listed = identity.list_entity_aliases(method=method)['data']
    holds(listed['key_info'][alias['id']], canonical_id=entity, name='eve', mount_type='userpass')
raises(
    exceptions.InvalidRequest, identity.create_or_update_entity_alias, 'other', entity, accessors['people'],
    text='Alias already exists for requested entity and mount accessor',
)
raises(exceptions.InvalidRequest, identity.create_or_update_entity_alias, 'eve', entity, 'auth_nowhere_1')

# Groups, one within another
inner = identity.create_or_update_group('Inner', policies=['inner'], member_entity_ids=[entity])['data']
outer = identity.create_or_update_group_by_name('outer', policies=['outer'], member_group_ids=[inner['id']])['data']
holds(inner, name='Inner')
equal(readable(eve), ['own', 'entity', 'inner', 'outer'])
read = identity.read_group(inner['id'])['data']
holds(read, name='Inner', type='internal', policies=['inner'], member_entity_ids=[entity], alias={})
holds(read, parent_group_ids=[outer['id']], member_group_ids=None, metadata=None)
equal(identity.read_group_by_name('INNER')['data'], read)
holds(
    identity.read_entity(entity)['data'],
    direct_group_ids=[inner['id']], inherited_group_ids=[outer['id']], group_ids=[inner['id'], outer['id']],
)
raises(
    exceptions.InvalidRequest, identity.update_group, inner['id'], 'inner', member_group_ids=[outer['id']],
    text='cyclic relationship detected',
)
identity.update_group(inner['id'], 'inner', metadata={'floor': '2'}, member_entity_ids=[])
holds(identity.read_group(inner['id'])['data'], metadata={'floor': '2'}, member_entity_ids=[], name='inner')
equal(readable(eve), ['own', 'entity'])
for method in ('LIST', 'GET'):
    assert inner['id'] in identity.list_groups(method=method)['data']['keys']
    assert {'inner', 'outer'} <= set(identity.list_groups_by_name(method=method)['data']['keys'])

# External groups and their aliases
external = identity.create_or_update_group('outside', group_type='external', policies=['outer'])['data']
raises(exceptions.InvalidRequest, client.write_data, f'identity/group/id/{external["id"]}', data={'member_entity_ids': [entity]})
group_alias = identity.create_or_update_group_alias('cn=team', mount_accessor=accessors['people'], canonical_id=external['id'])
group_alias = group_alias['data']['id']
identity.update_group_alias(group_alias, 'cn=crew', mount_accessor=accessors['people'], canonical_id=external['id'])
holds(identity.read_group_alias(group_alias)['data'], name='cn=crew', canonical_id=external['id'])
holds(identity.read_group(external['id'])['data']['alias'], id=group_alias, name='cn=crew')
for method in ('LIST', 'GET'):
    equal(identity.list_group_aliases(method=method)['data']['keys'], [group_alias])
raises(exceptions.InvalidRequest, identity.create_or_update_group_alias, 'x', accessors['people'], inner['id'])

# Looking up
for criteria in (
    {'entity_id': entity}, {'name': 'eVe'}, {'alias_id': alias['id']},
    {'alias_name': 'Eve', 'alias_mount_accessor': accessors['people']},
):
    equal(identity.lookup_entity(**criteria)['data']['id'], entity)
for criteria in (
    {'group_id': external['id']}, {'name': 'OUTSIDE'}, {'alias_id': group_alias},
    {'alias_name': 'cn=crew', 'alias_mount_accessor': accessors['people']},
):
    equal(identity.lookup_group(**criteria)['data']['id'], external['id'])
empty(identity.lookup_entity(name='nobody'))
empty(identity.lookup_group(name='nothing'))
raises(exceptions.InvalidRequest, identity.lookup_entity)

# Merging: somebody who was two
second, auth = login('eve', 'staff')
other = auth['entity_id']
assert other != entity
equal(readable(second), ['own'])
raises(exceptions.InvalidRequest, identity.merge_entities, from_entity_ids=['no-such'], to_entity_id=entity)
empty(identity.merge_entities(from_entity_ids=[other, other], to_entity_id=entity))
equal(readable(second), ['own', 'entity'])
equal(login('eve', 'staff')[1]['entity_id'], entity)
holds(identity.read_entity(other)['data'], id=entity, merged_entity_ids=[other])
equal(sorted(a['mount_path'] for a in identity.read_entity(entity)['data']['aliases']), ['auth/people/', 'auth/staff/'])

# Two names at one method: one has to be chosen
mallory = login('mallory')[1]['entity_id']
raises(exceptions.InvalidRequest, identity.merge_entities, [mallory], entity, text='same mount accessor')
keep = identity.lookup_entity(alias_name='mallory', alias_mount_accessor=accessors['people'])['data']['aliases'][0]['id']
empty(identity.merge_entities([mallory], entity, force=True, conflicting_alias_ids_to_keep=keep))
equal(login('mallory')[1]['entity_id'], entity)
raises(exceptions.InvalidPath, identity.read_entity_alias, alias['id'])

# Who is disabled may nothing
empty(identity.update_entity(entity, disabled=True))
raises(exceptions.Forbidden, second.auth.token.lookup_self)
raises(exceptions.Forbidden, login, 'mallory')
empty(identity.update_entity(entity, disabled=False))
equal(readable(second), ['own', 'entity'])

# The end
empty(identity.delete_entity_alias(keep))
empty(identity.delete_group_alias(group_alias))
empty(identity.delete_group(external['id']))
empty(identity.delete_group_by_name('outer'))
empty(identity.delete_group_by_name('Inner'))
raises(exceptions.InvalidPath, identity.list_groups)
temporary = [identity.create_or_update_entity(name=f'temporary {n}')['data']['id'] for n in range(3)]
empty(client.write_data('identity/entity/batch-delete', data={'entity_ids': temporary[:2]}))
empty(identity.delete_entity_by_name('TEMPORARY 2'))
empty(identity.delete_entity(entity))
for gone in [*temporary, entity]:
    raises(exceptions.InvalidPath, identity.read_entity, gone)
raises(exceptions.Forbidden, second.auth.token.lookup_self)
for path in accessors:
    empty(client.sys.disable_auth_method(path))
